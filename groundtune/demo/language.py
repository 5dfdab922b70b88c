"""The grammar: claims to sentences, and texts back to what they mention."""

from __future__ import annotations

import re
from dataclasses import dataclass

from groundtune.demo.claims import Claim
from groundtune.demo.world import COLOURS, KINDS

PLACES: tuple[str, ...] = (
    "at the top left", "at the top", "at the top right",
    "on the left", "in the middle", "on the right",
    "at the bottom left", "at the bottom", "at the bottom right",
)  # fmt: skip
NUMBERS: dict[int, str] = {1: "one", 2: "two", 3: "three"}
IRREGULAR: dict[str, str] = {"bus": "buses", "fish": "fish"}
# A caption keeps one style throughout: "There is a ...", "A ... is ...", "On the left there is a ...".
STYLES: tuple[int, ...] = (0, 1, 2)
STYLE_WEIGHTS: tuple[float, ...] = (0.5, 0.3, 0.2)


def plural(kind: str) -> str:
    return IRREGULAR.get(kind, f"{kind}s")


def surface_forms() -> dict[str, list[str]]:
    """Every kind with the words that mention it, for CHAIR."""
    return {kind: list(dict.fromkeys((kind, plural(kind)))) for kind in KINDS}


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


def mentions(text: str) -> list[Mention]:
    """What a text names, in order, each naming counted."""
    found = []
    for match in _MENTION.finditer(text.lower()):
        count = _COUNT_OF.get(match["number"] or "", 1)
        found.append(Mention(_KIND_OF[match["kind"]], match["colour"], count))
    return found


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


_KIND_OF = {form: kind for kind, forms in surface_forms().items() for form in forms}
_COUNT_OF = {word: count for count, word in NUMBERS.items()}
_MENTION = re.compile(
    rf"\b(?:(?P<number>an?|{'|'.join(_COUNT_OF)})\s+)?(?:(?P<colour>{'|'.join(COLOURS)})\s+)?"
    rf"(?P<kind>{'|'.join(sorted(_KIND_OF, key=len, reverse=True))})\b"
)
