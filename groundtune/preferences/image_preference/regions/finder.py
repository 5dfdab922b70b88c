"""What a region finder is: images and phrases in, one mask with a score for every phrase out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """Where one phrase is. mask: bool [H, W], pixels of the image as it was given, possibly empty. score: [0, 1]."""

    phrase: str
    mask: Mask
    score: float

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom (exclusive) of the mask in pixels; None when it is empty."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return None
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class RegionFinder(Protocol):
    """Finds phrases in images. Deterministic; a result does not depend on what else is in the batch."""

    name: str
    digest: str  # identity of the models behind it

    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        """For image i and its phrase j a Region. A phrase that is not there gets a low score, never an exception."""
        ...
