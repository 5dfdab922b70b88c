"""The embedded world: sprites drawn by the project's own code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from groundtune.demo.draw import IMAGE_SIZE, box, render
from groundtune.demo.inventory import Inventory
from groundtune.demo.world import DRAWN, Scene, scenes


class DrawnWorld:
    """`groundtune.demo.world` with the pictures of `groundtune.demo.draw`."""

    name = "drawn"

    @property
    def inventory(self) -> Inventory:
        return DRAWN

    def scenes(self, seed: int, split: str, count: int, start: int = 0) -> Iterator[Scene]:
        return scenes(seed, split, count, start)

    def render(self, scene: Scene) -> Image.Image:
        return render(scene)

    def cover(self, scene: Scene, across: int) -> np.ndarray:
        """Of the boxes of every entity's objects. [E, across^2] float32."""
        shares = np.zeros((len(scene.entities), across * across), dtype=np.float32)
        for row, entity in enumerate(scene.entities):
            for placement in entity.placements:
                shares[row] += _box_share(box(placement), across)
        return shares

    def record(self) -> dict[str, Any]:
        return {}


def _box_share(corners: tuple[int, int, int, int], across: int) -> np.ndarray:
    """The share of every square that a box fills, [across^2]."""
    step = IMAGE_SIZE // across
    starts = np.arange(0, IMAGE_SIZE, step)
    left, top, right, bottom = corners
    wide = np.clip(np.minimum(starts + step, right) - np.maximum(starts, left), 0, step) / step
    high = np.clip(np.minimum(starts + step, bottom) - np.maximum(starts, top), 0, step) / step
    return np.outer(high, wide).astype(np.float32).ravel()


DRAWN_WORLD = DrawnWorld()
