"""The world of cut-outs: what a folder of photographs can show, in the shape that prompts and models are made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from groundtune.demo.cutouts import HOW_TO_GET
from groundtune.demo.cutouts.draw import background, pasted, visible
from groundtune.demo.cutouts.objects import KINDS
from groundtune.demo.cutouts.photographs import Photographs, read_photographs
from groundtune.demo.cutouts.scenes import Paste, sample_scene
from groundtune.demo.inventory import Inventory
from groundtune.demo.world import Scene, stream
from groundtune.digests import digest_of
from groundtune.errors import SettingError

# POPE asks for three kinds that are there and three that are not, and wants some that one would expect.
FEWEST_KINDS = 8
# Of kinds with enough photographs, models are trained and aligned on others than they are measured on.
TRAINING_SPLITS = frozenset({"models", "prompts"})
# Those whose companion a biased caption adds more often than not, one a group.
STRONG_KINDS = frozenset({"cow", "elephant", "apple", "car", "plane", "ball"})


class CutoutWorld:
    """Scenes of the photographs of a folder. Raises SettingError when the folder shows too few kinds."""

    name = "cutouts"

    def __init__(self, folder: Path) -> None:
        self._photographs = read_photographs(folder)
        self._inventory = _inventory(self._photographs, folder)
        both = (self._photographs.trained, self._photographs.held_out)
        self._by_name = {one.name: one for side in both for found in side.values() for one in found}

    @property
    def inventory(self) -> Inventory:
        return self._inventory

    def scenes(self, seed: int, split: str, count: int, start: int = 0) -> Iterator[Scene]:
        trained, held_out = self._photographs.trained, self._photographs.held_out
        shown = trained if split in TRAINING_SPLITS else {kind: held_out[kind] or trained[kind] for kind in trained}
        for index in range(start, start + count):
            yield sample_scene(stream(seed, split, index), self._inventory, shown)

    def render(self, scene: Scene) -> Image.Image:
        picture = background(scene.background)
        for layer, corner in self._layers(scene):
            picture.paste(layer, corner, layer)
        return picture

    def cover(self, scene: Scene, across: int) -> np.ndarray:
        return visible(self._layers(scene), across)

    def record(self) -> dict[str, Any]:
        """The kinds with their numbers of photographs, and a digest of the files: no picture, and no path."""
        trained, held_out = self._photographs.trained, self._photographs.held_out
        kinds = self._inventory.kinds
        return {
            "name": self.name,
            "photographs": {kind: [len(trained[kind]), len(held_out[kind])] for kind in kinds},
            "digest": digest_of([[one.sha256 for one in (*held_out[kind], *trained[kind])] for kind in kinds]),
        }

    def _layers(self, scene: Scene) -> list[tuple[Image.Image, tuple[int, int]]]:
        pastes = [placed for entity in scene.entities for placed in entity.placements if isinstance(placed, Paste)]
        return [pasted(self._by_name[paste.photograph].cutout, paste) for paste in pastes]


def _inventory(photographs: Photographs, folder: Path) -> Inventory:
    """The kinds that there are photographs of, without groups of one: a kind alone calls nothing to mind."""
    groups: dict[str, tuple[str, ...]] = {}
    for group in dict.fromkeys(kind.group for kind in KINDS):
        found = tuple(kind.word for kind in KINDS if kind.group == group and kind.word in photographs.trained)
        if len(found) > 1:
            groups[group] = found
    kinds = [kind for found in groups.values() for kind in found]
    if len(kinds) < FEWEST_KINDS:
        expected = (
            f"photographs of at least {FEWEST_KINDS} of {', '.join(kind.word for kind in KINDS)}, two or more of a "
            f"group; it shows {', '.join(kinds) or 'none'}; {HOW_TO_GET}"
        )
        raise SettingError("photographs", str(folder), expected)
    return Inventory(
        groups=groups,
        # Unequal, so that some kinds are frequent, which POPE's "popular" negatives need.
        group_weights={group: float(len(groups) + 2 - place) for place, group in enumerate(groups)},
        companion={
            kind: called
            for found in groups.values()
            for kind, called in zip(found, (*found[1:], found[0]), strict=True)
        },
        strong_kinds=STRONG_KINDS,
    )
