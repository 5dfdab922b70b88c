"""A text cut into words and punctuation marks (ours)."""

import re
from collections.abc import Iterator

TOKENS = "tokens-1"  # of the rule below

# A hyphen or an apostrophe inside a word keeps it whole; other marks are tokens, so "hot, dog" is no hot dog.
_TOKEN = re.compile(r"\w+(?:-\w+)*|'\w+|[^\w\s]")
_WORD = re.compile(r"\w")


def tokens(text: str) -> list[str]:
    """Words and punctuation marks, in the case of the text."""
    return _TOKEN.findall(text)


def token_places(text: str) -> Iterator[tuple[str, int, int]]:
    """`tokens` with start and end of each in the text."""
    return ((match[0], match.start(), match.end()) for match in _TOKEN.finditer(text))


def count_words(text: str) -> int:
    """Words of an answer, punctuation not counted: its length."""
    return sum(bool(_WORD.search(token)) for token in tokens(text.lower()))
