"""Stages of equal size by rising entropy."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from groundtune.preferences.curriculum import stages_of


def staged(entropies, stages):
    names = [f"p{i}/0" for i in range(len(entropies))]
    return names, stages_of(np.array(entropies), pa.array(names), stages).tolist()


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40), st.integers(1, 5))
def test_stages_rise_with_entropy_and_differ_by_one_pair_at_most(entropies, stages):
    names, made = staged(entropies, stages)
    ranked = [stage for _, _, stage in sorted(zip(entropies, names, made, strict=True))]
    assert ranked == sorted(ranked) and set(ranked) <= set(range(1, stages + 1))
    sizes = Counter(ranked)
    if len(entropies) >= stages:
        assert len(sizes) == stages and max(sizes.values()) - min(sizes.values()) <= 1


def test_thirds_by_hand():
    assert staged([0.9, 0.1, 0.5, 0.2, 0.8, 0.4], 3)[1] == [3, 1, 2, 1, 3, 2]
