"""A folder of captioned cut-outs: which are photographs of which kind, and which are held out of training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from groundtune.demo.cutouts import HOW_TO_GET
from groundtune.demo.cutouts.objects import NO_PHOTOGRAPHS, kind_of_caption
from groundtune.errors import SettingError

MOST_PIXELS = 16_000_000
# Pictures are 144 pixels wide: larger cut-outs are made smaller once, not each time that one is pasted.
LONGEST_SIDE = 192
# A kind of several photographs keeps a third of them for the pictures on which models are measured. Two or three of a
# kind teach a tiny model those photographs, not the kind: one kept back would only be something that nobody can name.
SEVERAL, HELD_OUT_OF = 5, 3


@dataclass(frozen=True, eq=False)
class Photograph:
    """name: its path below the folder. sha256: of the file. cutout: RGBA, cropped to what can be seen."""

    name: str
    kind: str
    sha256: str
    cutout: Image.Image


@dataclass(frozen=True)
class Photographs:
    """Of every kind those to train on and those held out; a kind with few has none held out."""

    trained: dict[str, tuple[Photograph, ...]]
    held_out: dict[str, tuple[Photograph, ...]]


def read_photographs(folder: Path) -> Photographs:
    """The photographs of a folder, at any depth: PNGs with alpha beside a .txt whose first line is their caption.

    What no caption of the table describes is left alone, and so is a second copy of a file. Raises SettingError when
    there is no such folder, or a file that is wanted cannot be read.
    """
    if not folder.is_dir():
        raise SettingError("photographs", str(folder), f"a folder of captioned PNGs with alpha; {HOW_TO_GET}")
    chosen: dict[str, Photograph] = {}
    for photograph in _chosen(folder):
        chosen.setdefault(photograph.sha256, photograph)
    of: dict[str, list[Photograph]] = {}
    # By content, so that a folder's layout decides nothing.
    for digest in sorted(chosen):
        of.setdefault(chosen[digest].kind, []).append(chosen[digest])
    held = {kind: len(found) // HELD_OUT_OF if len(found) >= SEVERAL else 0 for kind, found in of.items()}
    return Photographs(
        {kind: tuple(found[held[kind] :]) for kind, found in of.items()},
        {kind: tuple(found[: held[kind]]) for kind, found in of.items()},
    )


def _chosen(folder: Path) -> Iterator[Photograph]:
    for path in sorted(folder.rglob("*.png")):
        name = path.relative_to(folder)
        captions = path.with_suffix(".txt")
        if NO_PHOTOGRAPHS.intersection(name.parts) or not captions.is_file():
            continue
        kind = kind_of_caption(captions.read_text(encoding="utf-8", errors="replace").partition("\n")[0])
        if kind is not None and (cutout := _cutout(path)) is not None:
            yield Photograph(str(name), kind.word, hashlib.sha256(path.read_bytes()).hexdigest(), cutout)


def _cutout(path: Path) -> Image.Image | None:
    """What a file shows, cropped and at most LONGEST_SIDE wide and high; None when nothing of it is cut out."""
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise SettingError("photographs", str(path), f"a PNG of at most {MOST_PIXELS:,} pixels")
            if not opened.has_transparency_data:
                return None
            picture = opened.convert("RGBA")
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise SettingError("photographs", str(path), f"a readable PNG ({error})") from error
    seen = picture.getchannel("A").getbbox()
    if seen is None:
        return None
    picture = picture.crop(seen)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return picture
