"""One stem for the singular and plural of an English noun. A stem joins words and is not shown: "vase" gives "vas"."""

from functools import lru_cache

from groundtune.text.plurals import IRREGULAR, MORE_IRREGULAR

_IRREGULAR = {**IRREGULAR, **MORE_IRREGULAR, "persons": "person"}
_UNINFLECTED = frozenset(("lens", "gas", "series", "species", "tennis"))
_SIBILANTS = ("s", "x", "z", "ch", "sh")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """word: lower case. A compound with a hyphen is stemmed at its end. Adjectives are treated like nouns."""
    before, hyphen, last = word.rpartition("-")
    return before + hyphen + _stem(last)


def _stem(word: str) -> str:
    if word in _UNINFLECTED:
        return word
    singular = _IRREGULAR.get(word) or _without_plural(word)
    if len(singular) > 2 and singular.endswith(tuple(f"{sound}e" for sound in _SIBILANTS)):
        singular = singular[:-1]  # "vases" and "buses" look alike, so both "vase" and "bus" must end as they do
    if len(singular) > 3 and singular.endswith("ie"):
        return singular[:-2] + "y"  # cookie, like berries
    return singular[:-1] if len(singular) > 3 and singular.endswith("oe") else singular  # shoe, like tomatoes


def _without_plural(word: str) -> str:
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith("oes"):
        return word[:-2]
    if word.endswith("es") and word[:-2].endswith(_SIBILANTS):
        return word[:-2]
    return word[:-1]
