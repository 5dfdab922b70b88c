"""What a sentence says of a scene, whether it is true, and how to make it false."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from groundtune.demo.world import CELLS, Entity, Scene


@dataclass(frozen=True)
class Claim:
    """A kind and whatever else is said of it; None leaves that open. A count is exact, a cell needs a count of one."""

    kind: str
    colour: str | None = None
    count: int | None = None
    cell: int | None = None


def claim_of(entity: Entity) -> Claim:
    """All that a caption says of an entity."""
    return Claim(entity.kind, entity.colour, entity.count, entity.cell if entity.count == 1 else None)


def holds(claim: Claim, scene: Scene) -> bool:
    """Whether some entity of the scene is as the claim says."""
    return any(
        entity.kind == claim.kind
        and claim.colour in (None, entity.colour)
        and claim.count in (None, entity.count)
        and (claim.cell is None or (entity.count == 1 and entity.cell == claim.cell))
        for entity in scene.entities
    )


def absent_kinds(scene: Scene) -> list[str]:
    return [kind for kind in scene.inventory.kinds if kind not in scene.kinds]


def companions(scene: Scene) -> list[str]:
    """Kinds that those present call to mind and that are not there; none where a whole group is there."""
    called = [scene.inventory.companion[kind] for kind in scene.kinds]
    return [kind for kind in dict.fromkeys(called) if kind not in scene.kinds]


def absent_companions(scene: Scene) -> list[str]:
    """Kinds that one would expect here and that are not: companions first, then the rest of the groups present."""
    groups, group_of = scene.inventory.groups, scene.inventory.group_of
    others = [kind for present in scene.kinds for kind in groups[group_of[present]] if kind not in scene.kinds]
    return list(dict.fromkeys(companions(scene) + others))


def loosen(claim: Claim, rng: random.Random) -> Claim:
    """The same claim saying less, as questions and keywords do."""
    pick = rng.random()
    if pick < 0.45:
        return replace(claim, count=None, cell=None)
    if pick < 0.75:
        return Claim(claim.kind)
    if pick < 0.9:
        return replace(claim, cell=None)
    return replace(claim, colour=None)


def corrupt(claim: Claim, scene: Scene, rng: random.Random) -> Claim:
    """A false claim that differs from a true one in one respect, most often the kind."""
    while True:
        pick = rng.random()
        if pick < 0.48:
            expected = absent_companions(scene)
            kind = rng.choice(expected) if expected and rng.random() < 0.6 else rng.choice(absent_kinds(scene))
            wrong = replace(claim, kind=kind)
            if claim.colour is not None and rng.random() < 0.5:
                wrong = replace(wrong, colour=rng.choice(scene.inventory.colours))
        elif pick < 0.80 and claim.colour is not None:
            wrong = replace(claim, colour=rng.choice(scene.inventory.colours))
        elif pick < 0.92 and claim.count is not None:
            count = rng.choice(scene.inventory.counts)
            wrong = replace(claim, count=count, cell=claim.cell if count == 1 else None)
        elif claim.cell is not None:
            wrong = replace(claim, cell=rng.randrange(CELLS))
        else:
            continue
        if not holds(wrong, scene):
            return wrong
