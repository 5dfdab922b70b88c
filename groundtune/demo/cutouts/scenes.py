"""Scenes of cut-outs: 2-4 photographs of different kinds, most of them of things that usually come together."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundtune.demo.cutouts.photographs import Photograph
from groundtune.demo.inventory import Inventory
from groundtune.demo.world import CELLS, KINDS_A_SCENE, KINDS_WEIGHTS, Entity, Placement, Scene

# Pixels: a thing's size is the side of the square that has its box's area. Cells are 48 pixels wide, so things overlap.
SIZES = (46, 64)
MOST_SHIFTED = 10
MOST_TURNED = 20  # degrees
BRIGHTNESS = (0.75, 1.25)


@dataclass(frozen=True)
class Paste(Placement):
    """A photograph in a picture. size: in pixels. angle: degrees. brightness: a factor."""

    photograph: str
    angle: int
    brightness: float


def sample_scene(
    rng: random.Random, known: Inventory, photographs: Mapping[str, Sequence[Photograph]]
) -> Scene:
    """Later things lie over earlier ones; a background is named by the seed that it is drawn from."""
    wanted = rng.choices(KINDS_A_SCENE, weights=KINDS_WEIGHTS)[0]
    kinds = known.kinds_together(known.theme(rng), wanted, rng)
    cells = sorted(rng.sample(range(CELLS), wanted))
    entities = tuple(
        Entity(kind, None, (_paste(rng, cell, rng.choice(photographs[kind])),))
        for kind, cell in zip(kinds, cells, strict=True)
    )
    return Scene(entities, rng.randrange(1 << 30), known)


def _paste(rng: random.Random, cell: int, photograph: Photograph) -> Paste:
    return Paste(
        cell=cell,
        dx=rng.randint(-MOST_SHIFTED, MOST_SHIFTED),
        dy=rng.randint(-MOST_SHIFTED, MOST_SHIFTED),
        size=rng.randint(*SIZES),
        mirrored=rng.random() < 0.5,
        photograph=photograph.name,
        angle=rng.randint(-MOST_TURNED, MOST_TURNED),
        brightness=round(rng.uniform(*BRIGHTNESS), 3),
    )
