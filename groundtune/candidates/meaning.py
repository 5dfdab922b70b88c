"""Which answers of a pool say the same: the clusters behind the pool's entropy (MFPO names the entropy; this is ours).

Two sentences say the same when they share most of their content words; two answers, when every sentence of each has
its match in the other, the words' analogue of entailment in both directions. No model is needed, order and style of
sentences do not count, and a changed noun or colour does. It cannot see paraphrase with other words.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from groundtune.candidates.sentences import split_sentences

Item = TypeVar("Item")
_WORD = re.compile(r"[^\W_]+(?:'\w+)?")
# Words that carry no claim about the picture.
_FILLING = (
    "a an the this that these those there here it its he she they them their his her is are was were be been being am "
    "has have had do does did can could may might will would shall should must and or but so as of in on at by to from "
    "with into onto over which who whose what also very some any image picture photo scene shows show shown showing "
    "depicts depict features feature appears appear seems seem see seen visible"
)
_EMPTY = frozenset(_FILLING.split())


def content_words(sentence: str) -> frozenset[str]:
    """Lower-case words that carry a claim, plurals reduced to their stem."""
    return frozenset(_stem(word) for word in _WORD.findall(sentence.lower()) if word not in _EMPTY)


def meaning_of(text: str) -> frozenset[frozenset[str]]:
    """The claims of an answer: a set of content words for every sentence that has any."""
    return frozenset(filter(None, map(content_words, split_sentences(text))))


def same_meaning(first: frozenset[frozenset[str]], second: frozenset[frozenset[str]], threshold: float) -> bool:
    """Does every sentence of each answer have one in the other with a Jaccard index of at least `threshold`?"""
    return _covered(first, second, threshold) and _covered(second, first, threshold)


def clusters_of(texts: Sequence[str], threshold: float) -> list[int]:
    """For every text the number of its cluster, 0 to n - 1 in the order of their first members.

    A text joins the first cluster whose founder means the same, so the result depends on the order of texts alone.
    """
    founders: list[frozenset[frozenset[str]]] = []
    return [
        _numbered(meaning_of(text), founders, lambda one, other: same_meaning(one, other, threshold)) for text in texts
    ]


def claims_of(texts: Sequence[str], threshold: float) -> list[set[int]]:
    """For every text the numbers of the claims that its sentences make; equal claims of any texts have one number.

    A sentence joins the first claim whose founder shares at least `threshold` of the words (Jaccard index).
    """
    founders: list[frozenset[str]] = []
    return [
        {
            _numbered(claim, founders, lambda one, other: _same_claim(one, other, threshold))
            for claim in map(content_words, split_sentences(text))
            if claim
        }
        for text in texts
    ]


def _numbered(item: Item, founders: list[Item], alike: Callable[[Item, Item], bool]) -> int:
    """The number of the first founder that is like the item; without one the item founds the next number."""
    for number, founder in enumerate(founders):
        if alike(item, founder):
            return number
    founders.append(item)
    return len(founders) - 1


def _same_claim(first: frozenset[str], second: frozenset[str], threshold: float) -> bool:
    return len(first & second) >= threshold * len(first | second)


def _covered(claims: frozenset[frozenset[str]], by: frozenset[frozenset[str]], threshold: float) -> bool:
    if not claims:
        return not by
    return all(any(_same_claim(one, other, threshold) for other in by) for one in claims)


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
