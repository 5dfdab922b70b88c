"""The order of training: stages one after the other, epochs inside them, no step that mixes two."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.training.curriculum import rate_factor, schedule_of


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=30), st.sampled_from(["easy_to_hard", "hard_to_easy"]),
    st.integers(1, 3), st.integers(1, 5), st.integers(0, 5),
)  # fmt: skip
def test_stages_follow_each_other_and_no_step_mixes_them(stages, curriculum, epochs, size, seed):
    made = schedule_of(stages, curriculum, epochs, size, seed)
    met = [stages[i] for i in made.order]
    runs = [stage for stage, _ in itertools.groupby(met)]
    assert runs == sorted(set(stages), reverse=curriculum == "hard_to_easy")
    assert made.steps == -(-len(made.order) // size)
    for step in range(made.steps):
        assert len(set(met[step * size : (step + 1) * size])) == 1
        assert runs[made.stage_at(step)] == met[step * size]
        assert made.labels[made.stage_at(step)] == met[step * size]
    seen = Counter(made.order)
    assert all(seen[i] >= epochs for i in range(len(stages)))
    assert len(made.order) < epochs * len(stages) + size * len(runs), "only the last step of a stage is filled up"


def test_one_stage_is_the_plain_order_and_shuffled_forgets_the_stages():
    plain = schedule_of([1] * 7, "easy_to_hard", 2, 4, 3)
    assert plain.starts == [0] and sorted(plain.order) == sorted([*range(7)] * 2)
    assert schedule_of([1, 2, 3, 1, 2, 3, 1], "shuffled", 2, 4, 3) == plain


def test_the_order_follows_from_the_seed():
    orders = [tuple(schedule_of([1, 1, 2, 2] * 4, "easy_to_hard", 1, 4, seed).order) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("cosine", [0, 0.5, 1, 0.75, 0.25]), ("linear", [0, 0.5, 1, 2 / 3, 1 / 3]), ("constant", [0, 0.5, 1, 1, 1])],
)
def test_the_rate_by_hand(schedule, expected):
    assert [rate_factor(step, 5, 0.4, schedule) for step in range(5)] == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=30), st.integers(1, 400),
    st.integers(1, 5), st.integers(0, 5),
)  # fmt: skip
def test_a_budget_of_tokens_is_reached_by_the_last_pair_and_not_before(pairs, budget, size, seed):
    stages, tokens = [stage for stage, _ in pairs], [count for _, count in pairs]
    made = schedule_of(stages, "easy_to_hard", 1, size, seed, tokens, budget)
    met = [tokens[i] for i in made.order]
    assert sum(met) >= budget
    fill = size * (len(made.starts) - 1) * max(tokens)  # what fills up the last step of a stage, and its first pair
    assert sum(met[:-1]) < budget + fill
    runs = [stage for stage, _ in itertools.groupby(stages[i] for i in made.order)]
    assert runs == sorted(set(stages))


def test_under_a_budget_every_pair_is_met_equally_often_but_for_the_last_epoch():
    made = schedule_of([1] * 10, "easy_to_hard", 7, 4, 0, [5] * 10, 120)
    assert len(made.order) == 24
    assert set(Counter(made.order).values()) == {2, 3}
    assert made.order[:10] == schedule_of([1] * 10, "easy_to_hard", 1, 4, 0).order, "the first epoch is as ever"


def test_a_stage_takes_its_share_of_the_budget():
    made = schedule_of([1] * 10 + [2] * 30, "easy_to_hard", 1, 1, 0, [3] * 40, 1200)
    assert Counter(1 + (i >= 10) for i in made.order) == {1: 100, 2: 300}
