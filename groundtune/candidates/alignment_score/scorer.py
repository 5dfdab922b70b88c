"""What a scorer of MAS is: sentences about an image in, one raw number a sentence out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from groundtune.artifacts import Row


@dataclass(frozen=True)
class ImageClaims:
    """One image and the distinct sentences that candidates say about it."""

    prompt: Row
    image: Image.Image
    sentences: list[str] = field(default_factory=list)


class Scorer(Protocol):
    """A scorer that cannot run raises; it never returns zeros."""

    name: str
    digest: str  # identity of the model behind it

    def score(self, batch: Sequence[ImageClaims]) -> list[list[float]]:
        """Raw score of every sentence of every image, on the scorer's own scale; higher fits better."""
        ...
