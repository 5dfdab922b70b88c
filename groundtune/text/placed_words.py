"""The words of a text with their places in it, as noun phrases are made of them (ours)."""

import re
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest


class Kind(Enum):
    """What a word can do in a phrase. Whatever is neither adjective nor noun ends it."""

    ADJECTIVE = "adjective"
    NOUN = "noun"
    OTHER = "other"


@dataclass(frozen=True)
class PlacedWord:
    """One word of an answer: lower case, without a possessive 's. start, end: characters of the answer.

    closes: a phrase cannot go on behind it, because of punctuation, a line's end or a possessive 's.
    """

    text: str
    start: int
    end: int
    closes: bool


def words_of(text: str) -> list[PlacedWord]:
    """The words of a text. Hyphens and apostrophes stay inside a word: "t-shirt", "isn't"."""
    words = []
    matches = list(_WORD.finditer(text))
    for match, following in zip_longest(matches, matches[1:]):
        end = match.start("possessive") if match["possessive"] else match.end()
        gap = text[match.end() : following.start() if following else len(text)]
        closes = bool(match["possessive"]) or following is None or not _PLAIN_GAP.fullmatch(gap)
        words.append(PlacedWord(text[match.start() : end].lower(), match.start(), end, closes))
    return words


_WORD = re.compile(r"[^\W_]+(?:[-'’](?!s\b)[^\W_]+)*(?P<possessive>['’]s\b)?", re.IGNORECASE)
_PLAIN_GAP = re.compile(r"[^\S\n]+")
