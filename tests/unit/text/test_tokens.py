"""Words and marks of a text."""

from groundtune.text.tokens import count_words, token_places, tokens


def test_tokens_keep_marks_apart_and_hyphens_inside() -> None:
    assert tokens("A red-brown dog's toy, yes!") == ["A", "red-brown", "dog", "'s", "toy", ",", "yes", "!"]
    assert count_words("A dog, a cat.") == 4
    assert count_words("... !") == 0


def test_places_point_back_into_the_text() -> None:
    text = "İstanbul: T-shirts, the dog's 🙂"
    assert [text[start:end] for _, start, end in token_places(text)] == tokens(text)
