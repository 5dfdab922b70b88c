"""Text cut into plain and marked pieces. The template escapes each piece; no markup is ever made from model output."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from groundtune.text.placed_words import words_of
from groundtune.text.plurals import singular
from groundtune.text.stems import stem

_WORD = re.compile(r"\w+(?:-\w+)*")
_Word = tuple[tuple[int, int], str, bool]  # (start, end), what it is compared by, whether punctuation follows


@dataclass(frozen=True)
class Piece:
    """number: of a marked piece, position from 1 of what it mentions in the list that was asked for; 0 without one."""

    text: str
    marked: bool = False
    number: int = 0


def mark_sentence(text: str, sentence: str) -> list[Piece]:
    """The sentence marked where it stands in the text; spaces and line breaks need not agree."""
    words = sentence.split()
    match = re.search(r"\s+".join(re.escape(word) for word in words), text) if words else None
    return _cut(text, [(*match.span(), 0)] if match else [])


def mark_objects(text: str, objects: Iterable[str]) -> list[Piece]:
    """Every mention of the objects marked, singular or plural. A synonym that the benchmark read as one of them is
    not found here; the page lists the objects in words as well.
    """
    wanted = {tuple(name.lower().split()): 0 for name in objects if name.strip()}
    known = frozenset(word for name in wanted for word in name)
    found = [(match.span(), singular(match[0].lower(), known), False) for match in _WORD.finditer(text)]
    return _cut(text, _mentions(found, wanted))


def mark_keywords(text: str, phrases: Sequence[str]) -> list[Piece]:
    """Every mention of the keywords marked with the number of its phrase, by the words and stems that they were found
    by; of two that begin at the same word the longer one counts, and none reaches over punctuation."""
    wanted: dict[tuple[str, ...], int] = {}
    for number, phrase in enumerate(phrases, 1):
        if words := tuple(stem(word.text) for word in words_of(phrase)):
            wanted.setdefault(words, number)
    found = [((word.start, word.end), stem(word.text), word.closes) for word in words_of(text)]
    return _cut(text, _mentions(found, wanted))


def _mentions(words: list[_Word], wanted: Mapping[tuple[str, ...], int]) -> list[tuple[int, int, int]]:
    """(start, end, number) of every mention, in the order of the text."""
    longest = max(map(len, wanted), default=0)
    mentions = []
    at = 0
    while at < len(words):
        for size in range(min(longest, len(words) - at), 0, -1):
            run = words[at : at + size]
            number = wanted.get(tuple(word for _, word, _ in run))
            if number is not None and not any(closes for _, _, closes in run[:-1]):
                mentions.append((run[0][0][0], run[-1][0][1], number))
                at += size
                break
        else:
            at += 1
    return mentions


def _cut(text: str, spans: list[tuple[int, int, int]]) -> list[Piece]:
    """spans: (start, end, number) of what is marked."""
    pieces: list[Piece] = []
    position = 0
    for start, end, number in spans:
        if start > position:
            pieces.append(Piece(text[position:start]))
        pieces.append(Piece(text[start:end], True, number))
        position = end
    if position < len(text):
        pieces.append(Piece(text[position:]))
    return pieces
