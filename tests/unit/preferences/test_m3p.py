"""Promises of the M3P-Score and of the selection by it."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.preferences.m3p import choose, dispreferred_score, preferred_score, scale_confidence
from groundtune.settings import SelectionSettings
from tests.unit.preferences.columns import selected

unit = st.floats(0, 1, allow_nan=False, width=32)
logprob = st.floats(-8, 0, allow_nan=False, width=32)


@st.composite
def pools(draw, most=4):
    """prompt id -> rows of the scores artifact, as far as selection reads them."""
    found = {}
    for number in range(draw(st.integers(1, most))):
        prompt = f"p{number}"
        found[prompt] = [
            {
                "prompt_id": prompt,
                "candidate_id": f"{prompt}#{k}",
                "text": f"answer {k}",
                "token_ids": [k],
                "multiplicity": 1,
                "finished": draw(st.booleans()) if k else True,
                "mas": draw(unit),
                "confidence": draw(logprob),
                "pool_entropy": 0.5,
                "worst_sentence": "x",
            }
            for k in range(draw(st.integers(1, 6)))
        ]
    return found


def select(found, chosen):
    return selected([row for rows in found.values() for row in rows], chosen)


options = st.builds(
    SelectionSettings,
    lambda_=st.floats(0, 2),
    mu=unit,
    margin=st.floats(0, 0.5),
    confidence_scale=st.sampled_from(["rank", "softmax"]),
    pairs_per_prompt=st.integers(1, 3),
    keep_fraction=unit,
    max_pairs=st.integers(0, 3),
)


@given(pools(), options)
@settings(max_examples=150, deadline=None)
def test_every_pair_holds_the_margin_and_never_meets_itself(found, chosen):
    pairs, _ = select(found, chosen)
    mas = {row["candidate_id"]: row["mas"] for rows in found.values() for row in rows}
    for pair in pairs:
        assert pair["chosen_id"] != pair["rejected_id"]
        assert mas[pair["chosen_id"]] - mas[pair["rejected_id"]] >= chosen.margin
        assert pair["chosen_id"].startswith(pair["prompt_id"]) and pair["rejected_id"].startswith(pair["prompt_id"])


@given(pools(), options)
@settings(max_examples=100, deadline=None)
def test_every_prompt_is_paired_or_dropped_with_one_reason(found, chosen):
    pairs, dropped = select(found, chosen)
    paired = {pair["prompt_id"] for pair in pairs}
    left = [row["id"] for row in dropped]
    assert len(left) == len(set(left))
    assert paired | set(left) == set(found) and not paired & set(left)


@given(pools(), options, st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_of_prompts_and_candidates_does_not_matter(found, chosen, random):
    mixed = {prompt: random.sample(rows, len(rows)) for prompt, rows in random.sample(list(found.items()), len(found))}
    assert select(mixed, chosen) == select(found, chosen)


@given(pools(most=1), options)
@settings(max_examples=100, deadline=None)
def test_unfinished_answers_are_in_no_pair(found, chosen):
    pairs, _ = select(found, chosen)
    cut = {row["candidate_id"] for rows in found.values() for row in rows if not row["finished"]}
    assert not cut & {pair[side] for pair in pairs for side in ("chosen_id", "rejected_id")}


@given(st.lists(st.tuples(unit, unit), min_size=2, max_size=8), st.floats(0, 2), unit, st.floats(0.01, 1))
def test_both_uses_of_the_score_are_monotone_in_each_signal(pool, lambda_, mu, more):
    mas, confidence = (np.array(column, dtype=np.float64) for column in zip(*pool, strict=True))
    assert (preferred_score(mas + more, confidence, lambda_) > preferred_score(mas, confidence, lambda_)).all()
    assert (preferred_score(mas, confidence + more, lambda_) >= preferred_score(mas, confidence, lambda_)).all()
    assert (dispreferred_score(mas, confidence + more, mu) >= dispreferred_score(mas, confidence, mu)).all()
    assert (dispreferred_score(mas + more, confidence, mu) <= dispreferred_score(mas, confidence, mu)).all()


@given(st.lists(unit, min_size=2, max_size=8), st.lists(logprob, min_size=8, max_size=8), unit)
def test_a_better_chosen_answer_stays_chosen(mas, confidence, mu):
    values = np.array(mas, dtype=np.float64)
    scaled = scale_confidence(np.array(confidence[: len(mas)], dtype=np.float64), "rank")
    before = choose(values[None], scaled[None], lambda_=0.2, mu=mu, margin=0.0, pairs=1).chosen
    if before.size:
        values[before] += 0.5
        after = choose(values[None], scaled[None], lambda_=0.2, mu=mu, margin=0.0, pairs=1).chosen
        assert after == before


def test_the_dispreferred_answer_is_wrong_and_believed():
    mas = np.array([[0.9, 0.2, 0.2, 0.1]])
    scaled = scale_confidence(np.array([[-0.5, -0.1, -2.0, -3.0]]), "rank")
    believed = choose(mas, scaled, lambda_=0.2, mu=0.5, margin=0.1, pairs=1)
    worst = choose(mas, scaled, lambda_=0.2, mu=0.0, margin=0.1, pairs=1)
    assert (believed.chosen, believed.rejected) == (0, 1)
    assert (worst.chosen, worst.rejected) == (0, 3), "mu = 0 looks at MAS alone (RM-DPO)"


def test_c_tilde_by_hand():
    confidence = np.log(np.array([0.5, 0.25, 0.25, 0.125]))
    np.testing.assert_allclose(scale_confidence(confidence, "rank"), [0.875, 0.5, 0.5, 0.125])
    np.testing.assert_allclose(scale_confidence(confidence, "softmax"), [1, 0.5, 0.5, 0.25])


def test_keep_fraction_keeps_the_hardest_prompts_first():
    def pool(prompt, rejected_confidence):
        return [
            {"prompt_id": prompt, "candidate_id": f"{prompt}#{k}", "text": "", "token_ids": [k],
             "multiplicity": 1, "finished": True, "mas": mas, "confidence": c, "pool_entropy": 0.0,
             "worst_sentence": ""}
            for k, (mas, c) in enumerate([(0.9, -1.0), (0.1, rejected_confidence)])
        ]  # fmt: skip

    found = {"easy": pool("easy", -2.0), "hard": pool("hard", -0.5)}
    pairs, dropped = select(found, SelectionSettings(keep_fraction=0.5))
    assert [pair["prompt_id"] for pair in pairs] == ["hard"]
    assert [(row["id"], row["reason"]) for row in dropped] == [("easy", "below_keep_fraction")]
    single, _ = select(found, dataclasses.replace(SelectionSettings(), max_pairs=1))
    assert [pair["prompt_id"] for pair in single] == ["hard"]
