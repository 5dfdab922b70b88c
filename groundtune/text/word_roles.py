"""What a word can be when it is seen alone: the plain tagger's first look (ours)."""

from enum import Enum, auto
from functools import lru_cache

from groundtune.text import plain_words as lists


class Role(Enum):
    """Open words, those on no list and with no telling ending, are NOUN."""

    DETERMINER = auto()  # and numbers, possessives, quantities: a noun phrase starts behind it
    BE = auto()
    PRONOUN = auto()
    CLOSED = auto()
    VERB = auto()
    VERB_OR_NOUN = auto()  # "stand", "watches"
    PARTICIPLE = auto()  # -ing, -ed, "broken": a verb's form, or describes the noun behind it
    ADJECTIVE = auto()
    NOUN = auto()


@lru_cache(maxsize=65536)
def role_of(word: str) -> Role:
    """word: lower case. A hyphenated word is what its last part is: "well-lit", "light-blue", "t-shirt"."""
    listed = _LISTED.get(word)
    if listed:
        return listed
    if any(letter.isdigit() for letter in word):
        return Role.DETERMINER if word.isdigit() else Role.CLOSED
    if "'" in word or "’" in word or len(word) == 1:
        return Role.CLOSED  # "they're", "a b c"
    first, hyphen, last = word.rpartition("-")
    if not hyphen:
        return _by_ending(word)
    if first in lists.COLOURS or (role := role_of(last)) is Role.PARTICIPLE:
        return Role.ADJECTIVE  # "red-haired", "blue-eyed", "good-looking"
    return Role.NOUN if role is Role.VERB_OR_NOUN else role


def is_plural(word: str) -> bool:
    return word in lists.PLURALS or (word.endswith("s") and not word.endswith(("ss", "us", "is")))


def _by_ending(word: str) -> Role:
    if word.endswith("ly"):
        return Role.CLOSED
    if (word.endswith("ing") and len(word) > 4) or (word.endswith("ed") and len(word) > 3):
        return Role.PARTICIPLE
    return Role.ADJECTIVE if word.endswith(lists.ADJECTIVE_ENDINGS) and len(word) > 4 else Role.NOUN


def _listed() -> dict[str, Role]:
    roles: dict[str, Role] = {}
    # A word on several lists is what the first of them says.
    for role, words in (
        (Role.DETERMINER, lists.DETERMINERS),
        (Role.BE, lists.BE),
        (Role.PRONOUN, lists.PRONOUNS),
        (Role.PARTICIPLE, lists.DESCRIBING_VERBS),
        (Role.ADJECTIVE, lists.ADJECTIVES),
        (Role.CLOSED, lists.CLOSED),
        (Role.VERB_OR_NOUN, lists.VERBS_OR_NOUNS),
        (Role.VERB, lists.VERBS),
        (Role.NOUN, lists.NOUNS),
    ):
        for word in words:
            roles.setdefault(word, role)
    return roles


_LISTED = _listed()
