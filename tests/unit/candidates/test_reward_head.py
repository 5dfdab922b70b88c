"""Promises of the reward head: what it learns from, and what it learns."""

import math

import numpy as np
import pytest
import torch

from groundtune.candidates.reward.head import accuracy, bradley_terry, learn
from groundtune.candidates.reward.labels import LabelledPairs, check_enough, labelled_pairs
from groundtune.candidates.reward.rows import calibrated
from groundtune.errors import SettingError
from groundtune.settings import RewardSettings

SETTINGS = RewardSettings()
POOLS, SIZE, WIDTH = 60, 6, 32


def planted(seed: int, pools: int = POOLS):
    """(states [N, D] with a large part that only the prompt decides, rewards [N], prompt [N]): linear in the states."""
    random = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(pools), SIZE)
    states = random.normal(size=(pools * SIZE, WIDTH)) + 5 * random.normal(size=(pools, WIDTH))[prompt]
    rewards = states @ np.random.default_rng(99).normal(size=WIDTH)
    return torch.tensor(states, dtype=torch.float32), rewards, prompt


def pairs_of(rewards, prompt) -> LabelledPairs:
    return labelled_pairs(rewards, prompt, np.ones(rewards.size, dtype=bool), 0.05)


def test_a_planted_linear_reward_is_found_from_pairs_alone() -> None:
    states, rewards, prompt = planted(0)
    learnt = learn(states, pairs_of(rewards, prompt), SETTINGS)
    assert learnt.figures["validation_accuracy"] > 0.9
    other, wanted, pools = planted(1)
    assert accuracy(learnt.head.rewards(other), pairs_of(wanted, pools)) > 0.9


def test_labels_that_say_nothing_are_not_learnt() -> None:
    """Among prompts that the head has not seen it is as good as a coin."""
    states, _, prompt = planted(0)
    noise = np.random.default_rng(5).normal(size=prompt.size)
    learnt = learn(states, pairs_of(noise, prompt), SETTINGS)
    other, _, pools = planted(1, 400)
    drawn = np.random.default_rng(6).normal(size=pools.size)
    assert abs(accuracy(learnt.head.rewards(other), pairs_of(drawn, pools)) - 0.5) < 0.03


def test_states_that_say_nothing_leave_the_constant_reward() -> None:
    _, rewards, prompt = planted(0)
    learnt = learn(torch.ones(rewards.size, WIDTH), pairs_of(rewards, prompt), SETTINGS)
    assert learnt.figures["epoch"] == 0
    assert learnt.figures["validation_accuracy"] == 0.5
    assert learnt.figures["validation_loss"] == pytest.approx(math.log(2))


def test_a_feature_that_never_changes_has_no_weight() -> None:
    states, rewards, prompt = planted(0)
    still = torch.cat([states, torch.full((len(states), 1), 1e4)], dim=1)
    learnt = learn(still, pairs_of(rewards, prompt), SETTINGS)
    assert float(learnt.head.weight[-1]) == 0 and learnt.head.weight.isfinite().all()


def test_the_same_pairs_give_the_same_head() -> None:
    states, rewards, prompt = planted(0)
    first, second = (learn(states, pairs_of(rewards, prompt), SETTINGS) for _ in range(2))
    assert torch.equal(first.head.weight, second.head.weight) and first.figures == second.figures
    other = learn(states, pairs_of(rewards, prompt), RewardSettings(seed=1))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_validation_prompts_are_not_learnt_from() -> None:
    """Whatever their states are, they only say when to stop."""
    states, rewards, prompt = planted(0)
    pairs = pairs_of(rewards, prompt)
    drawn = np.random.default_rng(SETTINGS.seed).permutation(pairs.prompts)[: POOLS // 5]
    one_pass = RewardSettings(epochs=1)
    before = learn(states, pairs, one_pass)
    changed = states.clone()
    changed[torch.from_numpy(np.isin(prompt, drawn))] *= 1.5
    after = learn(changed, pairs, one_pass)
    assert before.figures["validation_prompts"] == drawn.size and before.figures["epoch"] == after.figures["epoch"] == 1
    assert torch.equal(before.head.weight, after.head.weight)
    assert before.figures["validation_loss"] != after.figures["validation_loss"]


def test_the_loss_is_that_of_bradley_and_terry_and_a_prompt_counts_once() -> None:
    rewards = torch.tensor([0.0, 1.0, 3.0, 2.0, 0.5])
    pairs = LabelledPairs(np.array([1, 2, 2, 4]), np.array([0, 0, 1, 3]), np.array([0, 0, 0, 7]))
    first = np.mean([math.log1p(math.exp(-gap)) for gap in (1.0, 3.0, 2.0)])
    second = math.log1p(math.exp(1.5))
    assert float(bradley_terry(rewards, pairs)) == pytest.approx((first + second) / 2)


def test_pairs_are_those_of_one_prompt_that_mas_tells_apart() -> None:
    mas = np.array([0.1, 0.15, 0.4, 0.9, 0.2, 0.2])
    prompt = np.array([0, 0, 0, 0, 1, 1])
    eligible = np.array([True, True, True, False, True, True])
    pairs = labelled_pairs(mas, prompt, eligible, 0.1)
    assert sorted(zip(pairs.better.tolist(), pairs.worse.tolist(), strict=True)) == [(2, 0), (2, 1)]
    assert pairs.prompt.tolist() == [0, 0]
    without_margin = labelled_pairs(mas, prompt, eligible, 0.0)
    assert len(without_margin) == 3, "equal MAS orders nothing, not even without a margin"


def test_too_few_prompts_name_the_setting_that_helps() -> None:
    pairs = LabelledPairs(np.arange(1, 18, 2), np.arange(0, 18, 2), np.arange(9))
    with pytest.raises(SettingError, match="held_out_share.* in selection is 0.1.*12 prompts are held out, 9 of them"):
        check_enough(pairs, 12, 0.1)


def test_a_constant_a_prompt_does_not_change_what_is_written() -> None:
    """Bradley-Terry cannot know it."""
    random = np.random.default_rng(0)
    raw, prompt = random.normal(size=60), np.repeat(np.arange(12), 5)
    shifted = raw + random.normal(size=12)[prompt] * 100
    np.testing.assert_allclose(calibrated(raw, prompt), calibrated(shifted, prompt), atol=1e-9)
    raw[7] = np.nan
    found = calibrated(raw, prompt)
    assert np.isnan(found[7]) and np.isfinite(np.delete(found, 7)).all()
    for pool in range(12):
        assert (np.argsort(found[prompt == pool]) == np.argsort(raw[prompt == pool])).all()
