"""Plurals with and without a vocabulary."""

import pytest

from groundtune.text.plurals import likely_singular, singular


@pytest.mark.parametrize(
    ("plural", "form"),
    [
        ("cats", "cat"), ("buses", "bus"), ("boxes", "box"), ("couches", "couch"), ("dishes", "dish"),
        ("puppies", "puppy"), ("ties", "tie"), ("knives", "knife"), ("leaves", "leaf"), ("gloves", "glove"),
        ("potatoes", "potato"), ("shoes", "shoe"), ("men", "man"), ("firemen", "fireman"), ("mice", "mouse"),
        ("glass", "glass"), ("bus", "bus"), ("glasses", "glass"), ("horses", "horse"),
        ("unknowns", "unknowns"),
    ],
)  # fmt: skip
def test_a_plural_is_reduced_to_a_word_of_the_vocabulary(plural: str, form: str) -> None:
    known = frozenset(
        [
            "cat", "bus", "box", "couch", "dish", "puppy", "tie", "knife", "leaf", "glove", "potato", "shoe",
            "man", "fireman", "mouse", "glass", "horse", "glas",
        ]
    )  # fmt: skip
    assert singular(plural, known) == form


@pytest.mark.parametrize(
    ("plural", "form"),
    [
        ("cats", "cat"), ("buses", "bus"), ("boxes", "box"), ("vases", "vase"), ("horses", "horse"),
        ("puppies", "puppy"), ("ties", "tie"), ("knives", "knife"), ("potatoes", "potato"), ("shoes", "shoe"),
        ("men", "man"), ("firemen", "fireman"), ("people", "person"), ("glass", "glass"), ("glasses", "glass"),
        ("bus", "bus"), ("tennis", "tennis"), ("gas", "gas"), ("dishes", "dish"), ("dog", "dog"), ("", ""), ("s", "s"),
    ],
)  # fmt: skip
def test_without_a_vocabulary_the_likely_singular_is_taken(plural: str, form: str) -> None:
    assert likely_singular(plural) == form
