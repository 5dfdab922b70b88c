"""Text cut into plain and marked pieces. The template escapes each piece; no markup is ever made from model output."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from groundtune.benchmarks.vocabulary import singular

_WORD = re.compile(r"\w+(?:-\w+)*")


@dataclass(frozen=True)
class Piece:
    text: str
    marked: bool = False


def mark_sentence(text: str, sentence: str) -> list[Piece]:
    """The sentence marked where it stands in the text; spaces and line breaks need not agree."""
    words = sentence.split()
    match = re.search(r"\s+".join(re.escape(word) for word in words), text) if words else None
    return _cut(text, [match.span()] if match else [])


def mark_objects(text: str, objects: Iterable[str]) -> list[Piece]:
    """Every mention of the objects marked, singular or plural. A synonym that the benchmark read as one of them is
    not found here; the page lists the objects in words as well.
    """
    wanted = {tuple(name.lower().split()) for name in objects if name.strip()}
    known = frozenset(word for name in wanted for word in name)
    found = [(match.span(), singular(match[0].lower(), known)) for match in _WORD.finditer(text)]
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(found):
        size = next(
            (
                size
                for size in range(max(map(len, wanted), default=0), 0, -1)
                if tuple(word for _, word in found[at : at + size]) in wanted
            ),
            0,
        )
        if size:
            spans.append((found[at][0][0], found[at + size - 1][0][1]))
        at += size or 1
    return _cut(text, spans)


def _cut(text: str, spans: list[tuple[int, int]]) -> list[Piece]:
    pieces: list[Piece] = []
    position = 0
    for start, end in spans:
        if start > position:
            pieces.append(Piece(text[position:start]))
        pieces.append(Piece(text[start:end], marked=True))
        position = end
    if position < len(text):
        pieces.append(Piece(text[position:]))
    return pieces
