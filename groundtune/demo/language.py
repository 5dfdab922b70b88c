"""The grammar: claims to sentences, and texts back to what they mention."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from groundtune.demo.claims import Claim
from groundtune.demo.inventory import Inventory
from groundtune.demo.world import DRAWN

PLACES: tuple[str, ...] = (
    "at the top left", "at the top", "at the top right",
    "on the left", "in the middle", "on the right",
    "at the bottom left", "at the bottom", "at the bottom right",
)  # fmt: skip
NUMBERS: dict[int, str] = {1: "one", 2: "two", 3: "three"}
IRREGULAR: dict[str, str] = {"bus": "buses", "fish": "fish", "sheep": "sheep"}
# A caption keeps one style throughout: "There is a ...", "A ... is ...", "On the left there is a ...".
STYLES: tuple[int, ...] = (0, 1, 2)
STYLE_WEIGHTS: tuple[float, ...] = (0.5, 0.3, 0.2)


def plural(kind: str) -> str:
    return IRREGULAR.get(kind, f"{kind}s")


def surface_forms(known: Inventory = DRAWN) -> dict[str, list[str]]:
    """Every kind with the words that mention it, for CHAIR."""
    return {kind: list(dict.fromkeys((kind, plural(kind)))) for kind in known.kinds}


def noun_phrase(claim: Claim) -> str:
    """ "a red cup", "two blue plates", "an apple"."""
    many = claim.count is not None and claim.count > 1
    words = [claim.colour, plural(claim.kind) if many else claim.kind]
    phrase = " ".join(word for word in words if word)
    if many:
        return f"{NUMBERS[claim.count or 1]} {phrase}"
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def sentence(claim: Claim, style: int = 0) -> str:
    """One sentence of a caption."""
    phrase = noun_phrase(claim)
    verb = "are" if claim.count is not None and claim.count > 1 else "is"
    place = PLACES[claim.cell] if claim.cell is not None else ""
    if style == 0:
        return f"There {verb} {phrase}{' ' + place if place else ''}."
    place = place or "in the image"
    if style == 1:
        return _capital(f"{phrase} {verb} {place}.")
    return _capital(f"{place} there {verb} {phrase}.")


def sentences_of(text: str) -> list[str]:
    """A caption cut at its full stops."""
    return [part.strip() + "." for part in text.split(".") if part.strip()]


@dataclass(frozen=True)
class Mention:
    """A kind that a text names, with the colour and number in front of it."""

    kind: str
    colour: str | None
    count: int


def mentions(text: str, known: Inventory = DRAWN) -> list[Mention]:
    """What a text names, in order, each naming counted."""
    pattern, kind_of = _reader(known)
    found = []
    for match in pattern.finditer(text.lower()):
        count = _COUNT_OF.get(match["number"] or "", 1)
        found.append(Mention(kind_of[match["kind"]], match["colour"], count))
    return found


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


_COUNT_OF = {word: count for count, word in NUMBERS.items()}


@cache
def _reader(known: Inventory) -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds the mentions of an inventory's kinds, and the kind of each of their words."""
    kind_of = {form: kind for kind, forms in surface_forms(known).items() for form in forms}
    colour = "|".join(known.colours) or r"(?!)"  # matches nothing
    pattern = re.compile(
        rf"\b(?:(?P<number>an?|{'|'.join(_COUNT_OF)})\s+)?(?:(?P<colour>{colour})\s+)?"
        rf"(?P<kind>{'|'.join(sorted(kind_of, key=len, reverse=True))})\b"
    )
    return pattern, kind_of
