"""From an answer to its candidate noun phrases: the words, the grammar ADJ* NOUN+, and what a tagger has to say (MFPO;
which phrases are candidates is ours)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import zip_longest
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from groundtune.preferences.image_preference.keywords.stems import stem
from groundtune.preferences.image_preference.keywords.unlocatable import is_amount, is_unlocatable

# A phrase keeps the words nearest to its head. Longer runs of nouns are lists without commas or another language.
MOST_WORDS = 4


class Kind(Enum):
    """What a word can do in a phrase. Whatever is neither adjective nor noun ends it."""

    ADJECTIVE = "adjective"
    NOUN = "noun"
    OTHER = "other"


@dataclass(frozen=True)
class Word:
    """One word of an answer: lower case, without a possessive 's. start, end: characters of the answer.

    closes: a phrase cannot go on behind it, because of punctuation, a line's end or a possessive 's.
    """

    text: str
    start: int
    end: int
    closes: bool


@dataclass(frozen=True)
class Phrase:
    """A candidate keyword. text: as it stands in the answer, lower case, without determiner and number.

    positions: for every occurrence the index of its first word among the words of the answer, ascending.
    """

    text: str
    positions: tuple[int, ...]

    @property
    def head(self) -> str:
        """The noun that the other words describe: the last word."""
        return self.text.rsplit(" ", 1)[-1]

    @cached_property
    def stems(self) -> tuple[str, ...]:
        return tuple(stem(word) for word in self.text.split(" "))

    @property
    def key(self) -> str:
        """What occurrences of one phrase have in common: "cup" for "cup" and "cups". Not for people to read."""
        return " ".join(self.stems)


class Tagger(Protocol):
    """Finds noun phrases and knows how alike they are. Deterministic; a text's result does not depend on its batch."""

    name: str  # of the rules or model and of its word vectors, for the manifest

    def phrases(self, texts: Sequence[str]) -> list[list[Phrase]]:
        """For every text its candidates, each once, in order of their first occurrence."""
        ...

    def cosines(self, phrases: Sequence[Phrase]) -> NDArray[np.float64]:
        """[N, N] cosine similarity of the phrases' words, in [-1, 1], 1 on the diagonal."""
        ...


def words_of(text: str) -> list[Word]:
    """The words of a text. Hyphens and apostrophes stay inside a word: "t-shirt", "isn't"."""
    words = []
    matches = list(_WORD.finditer(text))
    for match, following in zip_longest(matches, matches[1:]):
        end = match.start("possessive") if match["possessive"] else match.end()
        gap = text[match.end() : following.start() if following else len(text)]
        closes = bool(match["possessive"]) or following is None or not _PLAIN_GAP.fullmatch(gap)
        words.append(Word(text[match.start() : end].lower(), match.start(), end, closes))
    return words


def join_phrases(words: Sequence[Word], kinds: Sequence[Kind]) -> list[Phrase]:
    """ADJ* NOUN+ over words and their kinds, each phrase once with all its positions, in order of appearance.

    Left out: words that name the picture, a place in it or nothing that can be seen ("top left", "background"), from
    both ends of a phrase, and amounts before "of" ("a group of people" is people).
    """
    found: dict[str, tuple[str, list[int]]] = {}
    for run in _runs(words, kinds):
        phrase = Phrase(" ".join(words[index].text for index in run), ())
        found.setdefault(phrase.key, (phrase.text, []))[1].append(run[0])
    return [Phrase(text, tuple(positions)) for text, positions in found.values()]


def _runs(words: Sequence[Word], kinds: Sequence[Kind]) -> list[list[int]]:
    """Indices of the words of each phrase occurrence."""
    runs: list[list[int]] = []
    run: list[int] = []
    for index, (word, kind) in enumerate(zip(words, kinds, strict=True)):
        starts_anew = kind is Kind.OTHER or (kind is Kind.ADJECTIVE and run and kinds[run[-1]] is Kind.NOUN)
        if starts_anew:
            runs.append(run)
            run = []
        if kind is not Kind.OTHER:
            run.append(index)
        if word.closes:
            runs.append(run)
            run = []
    return [trimmed for trimmed in (_trimmed(run, words, kinds) for run in [*runs, run]) if trimmed]


def _trimmed(run: list[int], words: Sequence[Word], kinds: Sequence[Kind]) -> list[int]:
    """The part of a run that names a thing; empty when none does."""
    if not run or (_followed_by_of(run[-1], words) and is_amount(words[run[-1]].text)):
        return []
    run = list(run)
    while run and is_unlocatable(words[run[-1]].text):
        run.pop()
    while run and is_unlocatable(words[run[0]].text):
        run.pop(0)
    if not run or kinds[run[-1]] is not Kind.NOUN:
        return []
    return run[-MOST_WORDS:]


def _followed_by_of(index: int, words: Sequence[Word]) -> bool:
    return index + 1 < len(words) and not words[index].closes and words[index + 1].text == "of"


_WORD = re.compile(r"[^\W_]+(?:[-'’](?!s\b)[^\W_]+)*(?P<possessive>['’]s\b)?", re.IGNORECASE)
_PLAIN_GAP = re.compile(r"[^\S\n]+")
