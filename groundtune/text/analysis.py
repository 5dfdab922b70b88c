"""What a benchmark asks of a text: its words, their tags and lemmas, and how alike two words are."""

from abc import ABC, abstractmethod
from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """text: as written. tag: Penn tag, "NN..." for a noun. lemma: as a noun."""

    text: str
    tag: str
    lemma: str


class TextAnalyser(ABC):
    """Deterministic; what it says of a text depends on that text alone.

    name: identity of rules, models and data with their versions; another name may give other results. official:
    whether it is what the authors of AMBER score with.
    """

    name: str
    official: bool = False

    @abstractmethod
    def words(self, text: str) -> list[Word]:
        """Words and punctuation marks in order, in the case of the text."""

    @abstractmethod
    def lemma(self, word: str) -> str:
        """The singular of a word taken as a noun; a word that is no noun stays as it is."""

    @abstractmethod
    def similarity(self, first: str, second: str) -> float:
        """In [-1, 1]; 1.0 for equal words."""

    def tokens(self, text: str) -> list[str]:
        """The texts of `words`, for those who need neither tag nor lemma."""
        return [word.text for word in self.words(text)]

    def known_form(self, word: str, known: Container[str]) -> str:
        """The form of a word by which a vocabulary is asked: its lemma. known: words of that vocabulary."""
        return self.lemma(word)
