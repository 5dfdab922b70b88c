"""What a demo world is: scenes with exact truth, their pictures, and where in a picture each thing is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from PIL import Image

from groundtune.demo.inventory import Inventory
from groundtune.demo.world import Scene


class PictureWorld(Protocol):
    """Prompts, benchmarks and models are made from any world that keeps these promises."""

    @property
    def name(self) -> str: ...

    @property
    def inventory(self) -> Inventory: ...

    def scenes(self, seed: int, split: str, count: int, start: int = 0) -> Iterator[Scene]:
        """The first `count` scenes of a split, from `start` on; the same ones for the same seed."""

    def render(self, scene: Scene) -> Image.Image:
        """RGB, `draw.IMAGE_SIZE` square; the same pixels for an equal scene."""

    def cover(self, scene: Scene, across: int) -> np.ndarray:
        """The share of each square of a grid, `across` wide and high, that each entity fills. [E, across^2] float32."""

    def record(self) -> dict[str, Any]:
        """What the record of a build says of where the world comes from."""
