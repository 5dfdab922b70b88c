"""Answers of the same meaning are one in the pool's entropy; a changed thing or colour makes another."""

import math

import pytest

from groundtune.candidates.entropy import pool_entropy
from groundtune.candidates.meaning import clusters_of, content_words


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("There is a red cup. There is a dog.", "A dog is in the image. A red cup is there.", True),
        ("There is a red cup.", "There is a blue cup.", False),
        ("There is a red cup.", "There is a red cup. There is a spoon.", False),
        ("Two red cups.", "There are two red cups in the picture.", True),
        ("A man sits on a bench with two dogs.", "A man sits on a bench with two cats.", False),
    ],
)
def test_same_claims_in_other_words_are_one_cluster(first, second, same):
    assert (clusters_of([first, second], 0.8) == [0, 0]) is same
    assert (clusters_of([second, first], 0.8) == [0, 0]) is same


def test_a_plural_is_its_singular():
    assert content_words("Cups, buses, cherries, glasses.") == content_words("cup bus cherry glass")


def test_entropy_of_clusters_by_hand():
    quarter, half = math.log(0.25), math.log(0.5)
    assert pool_entropy([quarter, quarter, half], [0, 0, 1]) == pytest.approx(math.log(2))
    assert pool_entropy([quarter, quarter, half], [0, 0, 0]) == 0.0
    assert pool_entropy([quarter, quarter, half]) == pytest.approx(1.5 * math.log(2))
