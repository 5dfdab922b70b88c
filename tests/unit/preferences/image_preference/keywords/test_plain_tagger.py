"""Promises of the tagger that needs no model."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.demo.captions import biased_claims, caption, draw_style
from groundtune.demo.language import mentions, noun_phrase
from groundtune.demo.world import scenes
from groundtune.preferences.image_preference.keywords.plain_tagger import PlainTagger
from groundtune.text.placed_words import words_of
from tests.unit.preferences.image_preference.keywords.captions import GOLDEN

tagger = PlainTagger()


def texts_of(sentence: str) -> list[str]:
    return [phrase.text for phrase in tagger.phrases([sentence])[0]]


@pytest.mark.parametrize("sentence", GOLDEN)
def test_captions_give_their_noun_phrases(sentence):
    assert texts_of(sentence) == GOLDEN[sentence]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("There is an orange at the bottom. The car is orange.", ["orange", "car"]),
        ("A few parked cars and a fire hydrant can be seen.", ["parked cars", "fire hydrant"]),
        ("A trash can sits near a watering can.", ["trash can", "watering can"]),
        ("On the left one can see one can of soda.", ["can", "soda"]),
        ("You can see a smiling girl who sniffs a flower.", ["smiling girl", "flower"]),
        ("A man and a woman stand behind the kitchen counter.", ["man", "woman", "kitchen counter"]),
        ("Two dogs stand by a fruit stand.", ["dogs", "fruit stand"]),
        (
            "A red-haired girl in a white t-shirt is holding a broken cup.",
            ["red-haired girl", "white t-shirt", "broken cup"],
        ),
        ("The bathroom has a toilet, a sink, and a bathtub.", ["bathroom", "toilet", "sink", "bathtub"]),
        ("A double-decker bus drives past the clock tower slowly.", ["double-decker bus", "clock tower"]),
        ("1. **Cups**: 3 cups\n2. **A plate**", ["cups", "plate"]),
        ("It looks very nice, doesn't it?", []),
        ("", []),
    ],
)
def test_the_words_around_decide_what_an_ambiguous_word_is(sentence, expected):
    assert texts_of(sentence) == expected


def test_every_phrase_of_the_demo_world_is_found_and_nothing_else():
    rng = random.Random(3)
    for scene in scenes(3, "prompts", 300):
        claims = biased_claims(scene, rng)
        text = caption(claims, draw_style(rng))
        named = {noun_phrase(claim).split(" ", 1)[1] for claim in claims}
        assert {found.removesuffix("s") for found in texts_of(text)} == {phrase.removesuffix("s") for phrase in named}
        assert sum(len(phrase.positions) for phrase in tagger.phrases([text])[0]) == len(mentions(text))


@given(st.text(max_size=200))
def test_no_text_breaks_it_and_positions_are_words_of_the_text(text):
    words = words_of(text)
    for phrase in tagger.phrases([text])[0]:
        assert list(phrase.positions) == sorted(set(phrase.positions))
        first = phrase.positions[0]
        assert [word.text for word in words[first:]][: len(phrase.text.split(" "))] == phrase.text.split(" ")
