"""Phrases that speak of one thing: "cup", "red cup", "the cups" are one topic (MFPO; the rule is ours)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundtune.preferences.image_preference.keywords.phrases import Phrase

_ROUNDING = 1e-9  # of means of shares
_TAKEN = -1.0  # less than any overlap: a group is not compared with itself, nor with one that has gone into another


def topics_of(phrases: Sequence[Phrase], threshold: float) -> list[int]:
    """The topic of every phrase, numbered by first appearance.

    Agglomerative with average linkage: the two groups whose phrases overlap most, the earliest of equals, become one
    as long as the mean overlap of their phrases is at least `threshold` in (0, 1].
    """
    alike = stem_overlap(phrases)
    size = len(phrases)
    np.fill_diagonal(alike, _TAKEN)
    topics, members = np.arange(size), np.ones(size)
    while size > 1:
        earlier, later = divmod(int(alike.argmax()), size)
        if alike[earlier, later] < threshold - _ROUNDING:
            break
        joined = (members[earlier] * alike[earlier] + members[later] * alike[later]) / (
            members[earlier] + members[later]
        )
        alike[earlier] = alike[:, earlier] = joined
        alike[later] = alike[:, later] = alike[earlier, earlier] = _TAKEN
        members[earlier] += members[later]
        topics[topics == later] = earlier
    numbers = {topic: number for number, topic in enumerate(dict.fromkeys(topics.tolist()))}
    return [numbers[topic] for topic in topics.tolist()]


def stem_overlap(phrases: Sequence[Phrase]) -> NDArray[np.float64]:
    """[N, N] share of stems that two phrases have in common among all that either has (Jaccard)."""
    stems = [frozenset(phrase.stems) for phrase in phrases]
    return np.array([[len(a & b) / len(a | b) for b in stems] for a in stems]).reshape(len(stems), len(stems))
