"""Answers of the same meaning are one in the pool's entropy; a changed thing or colour makes another."""

import math

import pytest

from groundtune.candidates.entropy import claim_entropy, pool_entropy
from groundtune.candidates.meaning import claims_of, clusters_of, content_words


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


def test_claims_are_numbered_alike_in_all_answers():
    texts = ["A red cup. A dog on the left.", "On the left a dog.", "A red cup. A red cup.", "A blue cup."]
    assert claims_of(texts, 0.8) == [{0, 1}, {1}, {0}, {2}]


def test_claim_entropy_by_hand():
    """Three equally likely answers, one claim that all make and one that a single one makes."""
    even = [-1.0, -1.0, -1.0]
    third = -(math.log(1 / 3) / 3 + math.log(2 / 3) * 2 / 3)
    assert claim_entropy(even, [{0, 1}, {0}, {0}]) == pytest.approx(third / (4 / 3))
    assert claim_entropy(even, [{0, 1}] * 3) == 0.0 and claim_entropy(even, [set()] * 3) == 0.0


def test_long_answers_that_differ_in_one_claim_are_easier_than_ones_that_differ_in_all():
    shared = "A red cup. A blue dog. A green pear."
    near = [f"{shared} A {colour} bus." for colour in ("red", "blue", "green")]
    far = [f"A {colour} cup. A {colour} dog. A {colour} pear. A {colour} bus." for colour in ("red", "blue", "green")]
    values = [claim_entropy([-0.3] * 3, claims_of(texts, 0.8)) for texts in (near, far)]
    assert values[0] < values[1]
    wholes = [pool_entropy([-0.3] * 3, clusters_of(texts, 0.8)) for texts in (near, far)]
    assert wholes[0] == wholes[1] == pytest.approx(math.log(3)), "as wholes they cannot be told apart"
