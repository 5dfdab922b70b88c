"""Promises of the candidates: words, the grammar over them, and what is never a candidate."""

import pytest

from groundtune.preferences.image_preference.keywords.phrases import Phrase, join_phrases
from groundtune.text.placed_words import Kind, words_of

KINDS = {"a": Kind.ADJECTIVE, "n": Kind.NOUN, ".": Kind.OTHER}


def joined(text: str, kinds: str) -> list[tuple[str, tuple[int, ...]]]:
    phrases = join_phrases(words_of(text), [KINDS[kind] for kind in kinds])
    return [(phrase.text, phrase.positions) for phrase in phrases]


def test_adjectives_come_before_the_nouns_of_a_phrase():
    assert joined("red cup", "an") == [("red cup", (0,))]
    assert joined("stop sign red bus", "nnan") == [("stop sign", (0,)), ("red bus", (2,))]
    assert joined("shiny red", "aa") == []


@pytest.mark.parametrize("gap", [", ", " - ", "\n", ". ", "'s ", ' "'])
def test_a_phrase_never_crosses_punctuation(gap):
    assert [text for text, _ in joined(f"cup{gap}plate", "nn")] == ["cup", "plate"]


def test_positions_count_all_words_of_the_answer():
    assert joined("there is a red cup and a plate", "...an..n") == [("red cup", (3,)), ("plate", (7,))]


def test_singular_and_plural_are_one_phrase_with_the_text_of_the_first():
    assert joined("a red cup. red cups", ".anan") == [("red cup", (1, 3))]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [("top left", "na"), ("white background", "an"), ("corners", "n"), ("lively atmosphere", "an"), ("images", "n")],
)
def test_the_picture_and_places_in_it_are_no_candidates(text, kinds):
    assert joined(text, kinds) == []


@pytest.mark.parametrize(
    ("text", "kinds", "thing"),
    [
        ("left cup", "an", "cup"),
        ("kitchen scene", "nn", "kitchen"),
        ("several boats", "an", "boats"),
        ("large group of people", "an.n", "people"),
        ("pair of glasses", "n.n", "glasses"),
        ("front door handle", "nnn", "door handle"),
    ],
)
def test_what_surrounds_the_thing_goes_and_the_thing_stays(text, kinds, thing):
    assert [found for found, _ in joined(text, kinds)] == [thing]


def test_a_long_run_keeps_the_words_next_to_its_head():
    assert joined("a b c d e f", "nnnnnn") == [("c d e f", (2,))]


def test_the_head_is_the_last_word():
    assert Phrase("old stop sign", (0,)).head == "sign"
