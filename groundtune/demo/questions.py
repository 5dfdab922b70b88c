"""Questions, always answered truthfully: yes/no ones, and ones that ask for a colour, a place or a number."""

from __future__ import annotations

import random
from dataclasses import dataclass

from groundtune.demo.claims import Claim, absent_companions, absent_kinds, claim_of, corrupt, holds
from groundtune.demo.language import NUMBERS, PLACES, noun_phrase, plural, sentence
from groundtune.demo.world import Entity, Scene

EXISTENCE_FORMS: tuple[str, ...] = (
    "Is there {phrase} in the image?",
    "Is there {phrase} in the picture?",
    "Do you see {phrase} in the image?",
    "Can you see {phrase}?",
)
# What LLaVA's own POPE evaluation appends.
SHORT_ANSWER = "\nAnswer the question using a single word or phrase."
COLOUR_FORM = "What colour {verb} the {noun}?"
PLACE_FORM = "Where is the {noun}?"
NUMBER_FORM = "How many {noun} are in the image?"
STATEMENT_FORM = 'Is this statement true of the image? "{sentence}" Answer yes or no.'


@dataclass(frozen=True)
class Question:
    text: str
    answer: str


def existence_claim(scene: Scene, truth: bool, rng: random.Random) -> Claim:
    """A claim that something is there, with or without a colour; a false one is often a companion or a wrong colour."""
    entity = rng.choice(scene.entities)
    colour = entity.colour if rng.random() < 0.35 else None
    if truth:
        return Claim(entity.kind, colour)
    if colour is not None and rng.random() < 0.5:
        return Claim(entity.kind, rng.choice([other for other in scene.inventory.colours if other != colour]))
    expected = absent_companions(scene)
    kind = rng.choice(expected) if expected and rng.random() < 0.5 else rng.choice(absent_kinds(scene))
    return Claim(kind, colour)


def existence_question(scene: Scene, rng: random.Random) -> Question:
    claim = existence_claim(scene, rng.random() < 0.5, rng)
    form = EXISTENCE_FORMS[0] if rng.random() < 0.5 else rng.choice(EXISTENCE_FORMS)
    ending = SHORT_ANSWER if rng.random() < 0.25 else ""
    return Question(form.format(phrase=noun_phrase(claim)) + ending, _answer(claim, scene))


def attribute_question(scene: Scene, rng: random.Random) -> Question:
    """A question whose answer has to be looked up where the named kind is.

    They teach a word to find its patches, which yes/no answers alone teach only after very long training.
    """
    pick = rng.random()
    if pick < 0.4:
        return lookup_question(scene, rng)
    entity = rng.choice(scene.entities)
    if pick < 0.7 and entity.count == 1:
        return _place_question(entity)
    if rng.random() < 0.3:
        return Question(NUMBER_FORM.format(noun=plural(rng.choice(absent_kinds(scene)))), "None")
    return Question(NUMBER_FORM.format(noun=plural(entity.kind)), NUMBERS[entity.count].capitalize())


def lookup_question(scene: Scene, rng: random.Random) -> Question:
    """What colour something has that is there; in a world without colours, where it is."""
    entity = rng.choice(scene.entities)
    if entity.colour is None:
        return _place_question(entity)
    verb, noun = ("is", entity.kind) if entity.count == 1 else ("are", plural(entity.kind))
    return Question(COLOUR_FORM.format(verb=verb, noun=noun), entity.colour.capitalize())


def _place_question(entity: Entity) -> Question:
    return Question(PLACE_FORM.format(noun=entity.kind), PLACES[entity.cell].capitalize())


def kind_question(kind: str) -> str:
    """POPE's own wording."""
    return EXISTENCE_FORMS[0].format(phrase=noun_phrase(Claim(kind)))


def number_question(kind: str, count: int) -> str:
    """Whether there are exactly so many, in AMBER's wording."""
    if count == 1:
        return f"Is there one {kind} in this image?"
    return f"Are there {noun_phrase(Claim(kind, count=count))} in this image?"


def statement_question(scene: Scene, rng: random.Random) -> Question:
    claim = claim_of(rng.choice(scene.entities))
    if rng.random() < 0.5:
        claim = corrupt(claim, scene, rng)
    style = rng.randrange(3)
    return Question(STATEMENT_FORM.format(sentence=sentence(claim, style)), _answer(claim, scene))


def _answer(claim: Claim, scene: Scene) -> str:
    return "Yes" if holds(claim, scene) else "No"
