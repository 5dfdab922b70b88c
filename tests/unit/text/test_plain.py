"""The plain analyser: tags, lemmas, likeness without any model."""

from hypothesis import given
from hypothesis import strategies as st

from groundtune.text.load import load_analyser
from groundtune.text.tokens import tokens

plain = load_analyser("plain")


def test_nouns_of_a_caption_are_tagged_and_lemmatised() -> None:
    found = plain.words("Two brown dogs chase the children's ball near a stop sign.")
    nouns = [(word.text, word.tag, word.lemma) for word in found if word.tag.startswith("NN")]
    assert nouns == [
        ("dogs", "NNS", "dog"), ("children", "NNS", "child"), ("ball", "NN", "ball"), ("stop", "NN", "stop"),
        ("sign", "NN", "sign"),
    ]  # fmt: skip
    assert [word.tag for word in found if word.text == "brown"] == ["JJ"]


def test_pieces_of_one_word_have_its_tag_and_marks_have_none() -> None:
    assert [(word.text, word.tag) for word in plain.words("It isn't 'dog'.")] == [
        ("It", "XX"), ("isn", "XX"), ("'t", "XX"), ("'dog", "NN"), ("'", "XX"), (".", "XX"),
    ]  # fmt: skip


@given(st.text())
def test_every_token_of_any_text_becomes_one_word(text: str) -> None:
    assert [word.text for word in plain.words(text)] == tokens(text) == plain.tokens(text)


def test_words_are_alike_when_their_lemmas_are_equal() -> None:
    assert plain.similarity("dogs", "dog") == 1.0
    assert plain.similarity("dog", "puppy") == 0.0
    assert plain.similarity("", "") == 1.0


def test_a_vocabulary_decides_where_endings_are_ambiguous() -> None:
    assert plain.known_form("axes", frozenset(("ax",))) == "ax"
    assert plain.known_form("axes", frozenset(("axe",))) == "axe"
    assert plain.known_form("axes", frozenset()) == "axes"
    assert plain.known_form("lenses", frozenset(("lense",))) == "lense"


def test_the_name_says_that_it_is_not_the_official_analyser() -> None:
    assert "not official" in plain.name
    assert not plain.official
