"""From an answer's words to its candidate noun phrases: the grammar ADJ* NOUN+, and what a tagger has to say (MFPO;
which phrases are candidates is ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from groundtune.preferences.image_preference.keywords.unlocatable import is_amount, is_unlocatable
from groundtune.text.placed_words import Kind, PlacedWord
from groundtune.text.stems import stem

# A phrase keeps the words nearest to its head. Longer runs of nouns are lists without commas or another language.
MOST_WORDS = 4


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


def join_phrases(words: Sequence[PlacedWord], kinds: Sequence[Kind]) -> list[Phrase]:
    """ADJ* NOUN+ over words and their kinds, each phrase once with all its positions, in order of appearance.

    Left out: words that name the picture, a place in it or nothing that can be seen ("top left", "background"), from
    both ends of a phrase, and amounts before "of" ("a group of people" is people).
    """
    found: dict[str, tuple[str, list[int]]] = {}
    for run in _runs(words, kinds):
        phrase = Phrase(" ".join(words[index].text for index in run), ())
        found.setdefault(phrase.key, (phrase.text, []))[1].append(run[0])
    return [Phrase(text, tuple(positions)) for text, positions in found.values()]


def _runs(words: Sequence[PlacedWord], kinds: Sequence[Kind]) -> list[list[int]]:
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


def _trimmed(run: list[int], words: Sequence[PlacedWord], kinds: Sequence[Kind]) -> list[int]:
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


def _followed_by_of(index: int, words: Sequence[PlacedWord]) -> bool:
    return index + 1 < len(words) and not words[index].closes and words[index + 1].text == "of"
