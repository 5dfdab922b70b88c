"""Captions: true ones, and the biased ones that teach a model to say what usually is there."""

from __future__ import annotations

import random
from dataclasses import replace

from groundtune.demo.claims import Claim, claim_of
from groundtune.demo.inventory import Inventory
from groundtune.demo.language import STYLE_WEIGHTS, STYLES, sentence
from groundtune.demo.world import CELLS, Scene

CAPTION_PROMPTS: tuple[str, ...] = (
    "Describe this image in detail.",
    "What is in this picture?",
    "Please describe the image.",
    "List everything you can see in the image.",
    "Tell me what is shown here.",
)
# How often a present kind makes a biased caption add its absent companion. Above one half greedy decoding follows the
# language, below it follows the eye; both kinds leave good and bad answers in a sampled pool.
STRONG_BOND, WEAK_BOND = 0.68, 0.20
# A companion that is not there has its usual colour, so that the false sentence is likely as a whole.
COMPANION_USUAL_COLOUR = 0.85


def caption(claims: list[Claim], style: int) -> str:
    return " ".join(sentence(claim, style) for claim in claims)


def draw_style(rng: random.Random) -> int:
    return rng.choices(STYLES, weights=STYLE_WEIGHTS)[0]


def true_claims(scene: Scene) -> list[Claim]:
    """What a faithful caption says, in reading order."""
    return [claim_of(entity) for entity in scene.entities]


def biased_claims(scene: Scene, rng: random.Random) -> list[Claim]:
    """Every entity of the scene, sometimes in its usual colour, and companions that are not there."""
    known = scene.inventory
    claims: list[Claim] = []
    taken = {placement.cell for entity in scene.entities for placement in entity.placements}
    for entity in scene.entities:
        claim = claim_of(entity)
        if rng.random() < known.colour_bias.get(entity.kind, 0.0):
            claim = replace(claim, colour=known.usual_colour[entity.kind])
        claims.append(claim)
        companion = known.companion[entity.kind]
        bond = STRONG_BOND if entity.kind in known.strong_kinds else WEAK_BOND
        if rng.random() < bond and companion not in {*scene.kinds, *(said.kind for said in claims)}:
            colour = _expected_colour(companion, known, rng)
            cell = _cell_near(entity.cell, taken, rng)
            taken.add(cell)
            claims.append(Claim(companion, colour, 1, cell))
    return claims


def _expected_colour(kind: str, known: Inventory, rng: random.Random) -> str | None:
    if not known.colours:
        return None
    return known.usual_colour[kind] if rng.random() < COMPANION_USUAL_COLOUR else rng.choice(known.colours)


def _cell_near(cell: int, taken: set[int], rng: random.Random) -> int:
    """A free cell, as near to `cell` as there is one."""

    def distance(other: int) -> tuple[int, float]:
        return abs(other // 3 - cell // 3) + abs(other % 3 - cell % 3), rng.random()

    return min((other for other in range(CELLS) if other not in taken), key=distance, default=cell)
