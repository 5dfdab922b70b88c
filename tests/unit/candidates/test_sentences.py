"""Sentence splitting, and the 77-token trap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.candidates.sentences import fit, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat. A dog!", ["A cat.", "A dog!"]),
        ("No end mark", ["No end mark"]),
        ("", []),
        (" ... ", []),
        ("It costs 3.50 dollars. Cheap.", ["It costs 3.50 dollars.", "Cheap."]),
        ("Mr. Smith sits. He smiles.", ["Mr. Smith sits.", "He smiles."]),
        ("1. A red cup\n2. A blue plate", ["A red cup", "A blue plate"]),
        ("- A cup.\n- A plate.", ["A cup.", "A plate."]),
        ('"A sign." It says stop.', ['"A sign."', "It says stop."]),
    ],
)
def test_sentences(text, expected):
    assert split_sentences(text) == expected


@given(st.lists(st.text("abcdefg,", min_size=1, max_size=30), max_size=60), st.integers(3, 12))
def test_cutting_loses_no_character_and_no_piece_is_too_long(words, limit):
    text = " ".join(words)

    def length(piece):
        return 2 + sum(1 + len(word) // 5 for word in piece.split())

    pieces = fit(text, length, limit)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(length(piece) <= limit or len(piece) == 1 for piece in pieces)
