"""Stages of equal size by rising entropy."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from groundtune.preferences.curriculum import assign_stages


def pairs_of(entropies):
    return [{"pair_id": f"p{i}/0", "pool_entropy": value} for i, value in enumerate(entropies)]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40), st.integers(1, 5))
def test_stages_rise_with_entropy_and_differ_by_one_pair_at_most(entropies, stages):
    made = assign_stages(pairs_of(entropies), stages)
    assert [pair["pair_id"] for pair in made] == [pair["pair_id"] for pair in pairs_of(entropies)]
    ranked = sorted(made, key=lambda pair: (pair["pool_entropy"], pair["pair_id"]))
    numbers = [pair["curriculum_stage"] for pair in ranked]
    assert numbers == sorted(numbers) and set(numbers) <= set(range(1, stages + 1))
    sizes = Counter(numbers)
    if len(entropies) >= stages:
        assert len(sizes) == stages and max(sizes.values()) - min(sizes.values()) <= 1


def test_thirds_by_hand():
    made = assign_stages(pairs_of([0.9, 0.1, 0.5, 0.2, 0.8, 0.4]), 3)
    assert [pair["curriculum_stage"] for pair in made] == [3, 1, 2, 1, 3, 2]
