"""Promises of the candidates: words, the grammar over them, and what is never a candidate."""

import pytest

from groundtune.preferences.image_preference.keywords.phrases import Kind, Phrase, join_phrases, words_of
from groundtune.preferences.image_preference.keywords.stems import stem

KINDS = {"a": Kind.ADJECTIVE, "n": Kind.NOUN, ".": Kind.OTHER}


def joined(text: str, kinds: str) -> list[tuple[str, tuple[int, ...]]]:
    phrases = join_phrases(words_of(text), [KINDS[kind] for kind in kinds])
    return [(phrase.text, phrase.positions) for phrase in phrases]


def test_words_keep_hyphens_and_lose_case_and_possessives():
    words = words_of("The man's T-shirt isn't red-hot.")
    assert [word.text for word in words] == ["the", "man", "t-shirt", "isn't", "red-hot"]
    assert [word.closes for word in words] == [False, True, False, False, True]


def test_words_point_back_into_the_answer():
    text = "Two dogs’ bowls; a café.\nÉclairs on plates"
    for word in words_of(text):
        assert text[word.start : word.end].lower() == word.text


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


PLURALS = """
    cup/cups bus/buses glass/glasses vase/vases box/boxes bench/benches dish/dishes berry/berries cookie/cookies
    tomato/tomatoes shoe/shoes knife/knives child/children man/men person/people fish/fish horse/horses axe/axes
    leaf/leaves tie/ties toe/toes house/houses face/faces t-shirt/t-shirts lens/lenses tooth/teeth
"""
NOUNS = "cup cap bus bush glass grass vase base box bench dish disk toe toy shoe show man mat tie tile knife"


@pytest.mark.parametrize("pair", PLURALS.split())
def test_a_noun_and_its_plural_have_one_stem(pair):
    singular, plural = pair.split("/")
    assert stem(singular) == stem(plural)


def test_different_nouns_have_different_stems():
    nouns = NOUNS.split()
    assert len({stem(noun) for noun in nouns}) == len(nouns)
