"""Sentences of an answer, and their cutting to what a text tower can read."""

import re
from collections.abc import Callable

Cut = Callable[[str], list[str]]

_NO_END = re.compile(r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|St|vs|etc|e\.g|i\.e|approx|No)\.$|(?:^|\n)\s*\d+[.)]$")
_END = re.compile(r"(?<=[.!?])([\"')\]]*)\s+(?=[\"'(\[]?[A-Z0-9])|\n+|(?<=[。！？])")
_CLAUSE = re.compile(r"(?<=[,;:])\s+|\s+(?=(?:and|while|with|which|but)\s)")


def split_sentences(text: str) -> list[str]:
    """Sentences in their order; an answer without an end mark is one sentence, an empty one is none."""
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        piece = text[start : match.end(1) if match.group(1) else match.start()]
        if _NO_END.search(piece):
            continue
        sentences.append(piece)
        start = match.end()
    sentences.append(text[start:])
    cleaned = (re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", piece).strip() for piece in sentences)
    return [piece for piece in cleaned if re.search(r"\w", piece)]


def fit(text: str, length: Callable[[str], int], limit: int, cuts: tuple[Cut, ...] | None = None) -> list[str]:
    """Cut a text that is longer than `limit` tokens at its clauses, then between words, then inside a word, so that
    nothing of it is silently truncated (CLIP reads 77 tokens).

    length: number of tokens of a text, special tokens included.
    """
    if length(text) <= limit or len(text) == 1:
        return [text]
    cut, *finer = cuts or CUTS
    pieces: list[str] = []
    for fragment in filter(None, cut(text)):
        joined = f"{pieces[-1]} {fragment}" if pieces else fragment
        if pieces and length(joined) <= limit:
            pieces[-1] = joined
        else:
            pieces.append(fragment)
    return [part for piece in pieces for part in fit(piece, length, limit, tuple(finer) or CUTS[-1:])]


CUTS: tuple[Cut, ...] = (lambda text: _CLAUSE.split(text), lambda text: text.split(), lambda text: _halves(text))


def _halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]
