"""Words with their places, as noun phrases are made of them."""

from groundtune.text.placed_words import words_of


def test_words_keep_hyphens_and_lose_case_and_possessives():
    words = words_of("The man's T-shirt isn't red-hot.")
    assert [word.text for word in words] == ["the", "man", "t-shirt", "isn't", "red-hot"]
    assert [word.closes for word in words] == [False, True, False, False, True]


def test_words_point_back_into_the_answer():
    text = "Two dogs’ bowls; a café.\nÉclairs on plates"
    for word in words_of(text):
        assert text[word.start : word.end].lower() == word.text
