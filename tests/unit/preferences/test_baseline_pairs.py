"""Promises of the pairs of baselines: random ones, by another scorer, by votes, from fewer candidates, with noise."""

from collections import Counter

import numpy as np
import pytest

from groundtune.candidates.held_out import held_out
from groundtune.errors import SettingError
from groundtune.settings import SelectionSettings
from tests.unit.preferences.columns import selected

PROMPTS = [f"p{number:03}" for number in range(60)]


def answer(prompt, k, mas, confidence=-1.0, **scorers):
    return {
        "prompt_id": prompt,
        "candidate_id": f"{prompt}#{k}",
        "text": f"answer {k}",
        "token_ids": [k],
        "multiplicity": 1,
        "finished": True,
        "mas": mas,
        "scorers": scorers or {"contrastive": mas},
        "worst_sentence": "",
        "confidence": confidence,
        "pool_entropy": 0.5,
    }


def pools(count=8):
    generator = np.random.default_rng(0)
    return [answer(prompt, k, float(mas)) for prompt in PROMPTS for k, mas in enumerate(generator.random(count))]


def ends(pair):
    return pair["chosen_id"], pair["rejected_id"]


def test_a_random_pair_has_the_better_answer_first_and_any_two_answers_may_meet():
    met = Counter()
    for seed in range(40):
        pairs, dropped = selected(pools(4), SelectionSettings(source="random", margin=0.0, seed=seed))
        assert len(pairs) == len(PROMPTS) and not dropped
        assert all(pair["chosen_mas"] > pair["rejected_mas"] for pair in pairs)
        met.update(ends(pair) for pair in pairs if pair["prompt_id"] == "p000")
    assert len(met) == 6, "all pairs of four answers"


def test_random_pairs_follow_from_the_seed_and_their_answers_alone():
    settings = SelectionSettings(source="random", seed=3)
    rows = pools()
    pairs, _ = selected(rows, settings)
    assert selected(rows[::-1], settings)[0] == pairs
    assert selected(rows, SelectionSettings(source="random", seed=4))[0] != pairs


def test_a_random_pair_keeps_the_margin_and_equal_answers_never_meet():
    rows = [answer("p", k, mas) for k, mas in enumerate((0.5, 0.5, 0.55, 0.9))]
    drawn = {ends(selected(rows, SelectionSettings(source="random", margin=0.1, seed=s))[0][0]) for s in range(60)}
    assert drawn == {("p#3", "p#0"), ("p#3", "p#1"), ("p#3", "p#2")}
    alike = [answer("p", k, 0.5) for k in range(3)]
    pairs, dropped = selected(alike, SelectionSettings(source="random", margin=0.0))
    assert not pairs and dropped[0]["reason"] == "gap_below_margin"


def test_fewer_random_pairs_are_some_of_the_many_in_no_order_of_hardness():
    few, left = selected(pools(), SelectionSettings(source="random", max_pairs=20))
    many, _ = selected(pools(), SelectionSettings(source="random"))
    assert set(map(ends, few)) < set(map(ends, many))
    assert Counter(row["reason"] for row in left) == {"below_keep_fraction": 40}
    hardest = sorted(many, key=lambda pair: -pair["hardness"])[:20]
    assert set(map(ends, few)) != set(map(ends, hardest))


def test_another_scorer_can_say_which_answer_is_better_and_mas_stays_in_the_row():
    rows = [answer("p", k, mas, reward=1 - mas) for k, mas in enumerate((0.2, 0.9))]
    (pair,), _ = selected(rows, SelectionSettings(score_by="reward", lambda_=0.0))
    assert ends(pair) == ("p#0", "p#1")
    assert pair["chosen_mas"] == pytest.approx(0.2)


def test_a_scorer_that_nobody_ran_is_named():
    with pytest.raises(SettingError, match=r"score_by.*'reward'.*mas, contrastive"):
        selected(pools(), SelectionSettings(score_by="reward"))


@pytest.mark.parametrize("source", ["m3p", "random"])
def test_enough_scorers_must_rank_chosen_above_rejected(source):
    rows = [answer("p", 0, 0.9, a=0.9, b=0.5), answer("p", 1, 0.3, a=0.2, b=0.8), answer("p", 2, 0.5, a=0.1, b=0.1)]
    settings = {"source": source, "lambda_": 0.0, "mu": 0.0, "margin": 0.3, "pairs_per_prompt": 3}
    together, _ = selected(rows, SelectionSettings(agreement=1.0, **settings))
    assert list(map(ends, together)) == [("p#0", "p#2")]
    most, _ = selected(rows, SelectionSettings(agreement=0.5, **settings))
    assert set(map(ends, most)) == {("p#0", "p#2"), ("p#0", "p#1")}


def test_held_out_prompts_give_no_pair_and_say_why():
    pairs, dropped = selected(pools(), SelectionSettings(held_out_share=0.3, seed=5))
    aside = {name for name, out in zip(PROMPTS, held_out(PROMPTS, 0.3, 5), strict=True) if out}
    assert 5 < len(aside) < 30
    assert {row["id"] for row in dropped if row["reason"] == "held_out"} == aside
    assert not aside & {pair["prompt_id"] for pair in pairs}


def test_the_first_candidates_are_the_pool_that_fewer_samples_would_have_made():
    rows = [row for row in pools(12) if row["candidate_id"] not in ("p000#1", "p000#11")]  # said before: merged
    few = [row for row in rows if int(row["candidate_id"].partition("#")[2]) < 4]
    settings = SelectionSettings(first_candidates=4)
    assert selected(rows, settings)[0] == selected(few, SelectionSettings())[0]


def test_noise_changes_what_is_chosen_and_not_what_the_row_says():
    quiet, _ = selected(pools(), SelectionSettings())
    noisy, _ = selected(pools(), SelectionSettings(score_noise=0.3, seed=1))
    assert set(map(ends, quiet)) != set(map(ends, noisy))
    assert selected(pools()[::-1], SelectionSettings(score_noise=0.3, seed=1))[0] == noisy
    scores = {row["candidate_id"]: row["mas"] for row in pools()}
    assert all(pair["chosen_mas"] == pytest.approx(scores[pair["chosen_id"]]) for pair in noisy)
    assert np.mean([p["chosen_mas"] for p in noisy]) < np.mean([p["chosen_mas"] for p in quiet])
