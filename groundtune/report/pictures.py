"""Pictures inside the page: small, as data URIs, and a plain word where a picture cannot be had."""

from dataclasses import dataclass

from PIL import Image

from groundtune.errors import RecordError
from groundtune.images import ImageStore, data_uri

LONGEST_SIDE = 320  # pixels


@dataclass(frozen=True)
class Picture:
    """uri: a data URI, "" when `problem` says why there is none. width, height: CSS pixels to show it at.

    crisp: the picture was small and is shown at a whole multiple of its size, without smoothing.
    """

    uri: str
    width: int
    height: int
    crisp: bool = False
    problem: str = ""


def picture_of(store: ImageStore, record_id: str, reference: str, sha256: str = "") -> Picture:
    """At most LONGEST_SIDE pixels; a picture that is gone, broken or changed does not stop the page."""
    try:
        image = store.open(record_id, reference, sha256)
    except RecordError as error:
        return Picture("", LONGEST_SIDE, LONGEST_SIDE * 3 // 4, problem=error.problem)
    longest = max(image.size)
    if longest > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    factor = max(1, LONGEST_SIDE // max(image.size))
    width, height = image.width * factor, image.height * factor
    return Picture(data_uri(image), width, height, crisp=factor > 1)
