"""A second world: photographic cut-outs of COCO's objects, from any folder of captioned PNGs, pasted on textures."""

from pathlib import Path

# Where Debian's tuxpaint-stamps-default puts its cut-outs; they keep their own licence and are never copied from here.
TUXPAINT_STAMPS = Path("/usr/share/tuxpaint/stamps")
HOW_TO_GET = "apt-get install tuxpaint-stamps-default puts one at /usr/share/tuxpaint/stamps"

__all__ = ["HOW_TO_GET", "TUXPAINT_STAMPS"]
