"""Text analysis by plain rules for English captions: no dependency, no download; no benchmark's official one (ours)."""

from collections.abc import Container

from groundtune.text import plain_kinds
from groundtune.text.analysis import TextAnalyser, Word
from groundtune.text.placed_words import Kind, PlacedWord, words_of
from groundtune.text.plurals import LEMMATISER, likely_singular, singular
from groundtune.text.tokens import TOKENS, token_places, tokens
from groundtune.text.word_roles import is_plural

_TAGS = {Kind.ADJECTIVE: "JJ", Kind.OTHER: "XX"}


class PlainAnalyser(TextAnalyser):
    """Tags are NN, NNS, JJ and XX for all the rest. Words are alike (1.0) when their lemmas are equal, else 0.0."""

    name = f"plain rules (not official): {TOKENS}, tags {plain_kinds.VERSION}, {LEMMATISER}, similarity: equal lemmas"

    def tokens(self, text: str) -> list[str]:
        return tokens(text)

    def words(self, text: str) -> list[Word]:
        placed = words_of(text)
        kinds = plain_kinds.kinds_of(placed)
        found, at = [], 0
        for token, start, end in token_places(text):
            while at < len(placed) and placed[at].end <= start:
                at += 1
            found.append(Word(token, _tag(token, placed, kinds, at, start, end), self.lemma(token)))
        return found

    def lemma(self, word: str) -> str:
        return likely_singular(word)

    def known_form(self, word: str, known: Container[str]) -> str:
        """The rules have no dictionary of their own, so the vocabulary is theirs."""
        return singular(word, known)

    def similarity(self, first: str, second: str) -> float:
        return float(first == second or self.lemma(first) == self.lemma(second))


def _tag(token: str, placed: list[PlacedWord], kinds: list[Kind], at: int, start: int, end: int) -> str:
    """Of the word in which the token lies: "isn't" is two tokens and one word."""
    if at == len(placed) or placed[at].start >= end or placed[at].end <= start:
        return "XX"
    if kinds[at] is Kind.NOUN:
        return "NNS" if is_plural(token.lower()) else "NN"
    return _TAGS[kinds[at]]
