"""What can be in a drawn picture: kinds that usually come together, colours, counts, cells of a 3 x 3 grid."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from groundtune.demo.inventory import Inventory

GROUPS: dict[str, tuple[str, ...]] = {
    "kitchen": ("cup", "spoon", "plate", "bottle"),
    "food": ("apple", "banana", "pear", "carrot"),
    "street": ("car", "bus", "bicycle", "sign"),
    "pets": ("dog", "cat", "fish", "bird"),
}
KINDS: tuple[str, ...] = tuple(kind for kinds in GROUPS.values() for kind in kinds)

COLOURS: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple")
# The colour a kind usually has. Scenes follow it a little, biased captions a lot.
USUAL_COLOUR: dict[str, str] = {
    "cup": "blue", "spoon": "purple", "plate": "blue", "bottle": "green",
    "apple": "red", "banana": "yellow", "pear": "green", "carrot": "orange",
    "car": "red", "bus": "yellow", "bicycle": "blue", "sign": "red",
    "dog": "orange", "cat": "purple", "fish": "orange", "bird": "blue",
}  # fmt: skip

COUNT_WEIGHTS: dict[int, float] = {1: 0.76, 2: 0.18, 3: 0.06}
DRAWN = Inventory(
    groups=GROUPS,
    # Unequal weights make some kinds frequent, which POPE's "popular" negatives need.
    group_weights={"kitchen": 0.32, "food": 0.28, "street": 0.22, "pets": 0.18},
    # Each kind calls another one to mind, in a cycle through its group.
    companion={
        "cup": "spoon", "spoon": "plate", "plate": "bottle", "bottle": "cup",
        "apple": "banana", "banana": "pear", "pear": "carrot", "carrot": "apple",
        "car": "bus", "bus": "bicycle", "bicycle": "sign", "sign": "car",
        "dog": "cat", "cat": "fish", "fish": "bird", "bird": "dog",
    },
    strong_kinds=frozenset({"cup", "apple", "car", "dog", "plate"}),
    counts=tuple(COUNT_WEIGHTS),
    colours=COLOURS,
    usual_colour=USUAL_COLOUR,
    # How often the usual colour is said instead of the seen one.
    colour_bias={"banana": 0.62, "apple": 0.25, "carrot": 0.25, "bus": 0.25, "fish": 0.25},
)  # fmt: skip

CELLS = 9
KINDS_A_SCENE, KINDS_WEIGHTS = (2, 3, 4), (0.25, 0.45, 0.30)
MAX_OBJECTS = 6
BACKGROUNDS = 6
SPLITS: tuple[str, ...] = ("models", "measure", "prompts", "validation", "eval")


@dataclass(frozen=True)
class Placement:
    """One drawn object: its cell, its offset from the cell's centre in pixels, its size step and its mirroring."""

    cell: int
    dx: int
    dy: int
    size: int
    mirrored: bool


@dataclass(frozen=True)
class Entity:
    """One to three objects of one kind and one colour; no colour where a world says nothing of colours."""

    kind: str
    colour: str | None
    placements: tuple[Placement, ...]

    @property
    def count(self) -> int:
        return len(self.placements)

    @property
    def cell(self) -> int:
        """The first cell in reading order."""
        return self.placements[0].cell


@dataclass(frozen=True)
class Scene:
    """Entities in reading order (no kind twice) on a background, and what else its world could have shown."""

    entities: tuple[Entity, ...]
    background: int
    inventory: Inventory = field(default=DRAWN, compare=False, repr=False)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(entity.kind for entity in self.entities)


def stream(seed: int, split: str, index: int) -> random.Random:
    """The random numbers of one scene: a split never shares a stream with another, nor does an index."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected one of {', '.join(SPLITS)}")
    return random.Random(f"groundtune-demo/{seed}/{split}/{index}")


def sample_scene(rng: random.Random) -> Scene:
    """A scene of 2-4 kinds, most of them from one group."""
    wanted = rng.choices(KINDS_A_SCENE, weights=KINDS_WEIGHTS)[0]
    theme = DRAWN.theme(rng)
    free = list(range(CELLS))
    rng.shuffle(free)
    kinds = DRAWN.kinds_together(theme, wanted, rng)
    entities: list[Entity] = []
    room = MAX_OBJECTS - wanted
    for kind in kinds:
        count = min(rng.choices(tuple(COUNT_WEIGHTS), weights=tuple(COUNT_WEIGHTS.values()))[0], 1 + room)
        room -= count - 1
        colour = USUAL_COLOUR[kind] if rng.random() < 0.25 else rng.choice(COLOURS)
        cells = sorted(free.pop() for _ in range(count))
        entities.append(Entity(kind, colour, tuple(_place(rng, cell) for cell in cells)))
    return Scene(tuple(sorted(entities, key=lambda entity: entity.cell)), rng.randrange(BACKGROUNDS))


def scenes(seed: int, split: str, count: int, start: int = 0) -> Iterator[Scene]:
    """The first `count` scenes of a split, from `start` on."""
    for index in range(start, start + count):
        yield sample_scene(stream(seed, split, index))


def _place(rng: random.Random, cell: int) -> Placement:
    return Placement(cell, rng.randint(-3, 3), rng.randint(-3, 3), rng.randrange(3), rng.random() < 0.5)
