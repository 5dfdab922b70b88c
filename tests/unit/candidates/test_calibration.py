"""Calibration: [0, 1], monotone, and the same whatever the order."""

import numpy as np
import pytest

from groundtune.candidates.alignment_score.calibration import calibrate, fit
from groundtune.candidates.entropy import pool_entropy


@pytest.mark.parametrize("scorer", ["contrastive", "claims"])
@pytest.mark.parametrize("method", ["logistic", "rank"])
def test_calibrated_scores_are_in_the_unit_interval_and_keep_the_order(scorer, method):
    raw = np.random.default_rng(0).normal(20, 3, 500)
    values = calibrate(scorer, raw, method)
    assert ((values >= 0) & (values <= 1)).all()
    order = np.argsort(raw)
    assert (np.diff(values[order]) >= 0).all()
    shuffled = np.random.default_rng(1).permutation(500)
    np.testing.assert_allclose(calibrate(scorer, raw[shuffled], method), values[shuffled])


def test_quartiles_of_contrastive_scores_map_to_quarters():
    raw = np.arange(101, dtype=float)
    np.testing.assert_allclose(calibrate("contrastive", raw, "logistic")[[25, 50, 75]], [0.25, 0.5, 0.75], atol=1e-12)


def test_log_odds_of_claims_become_probabilities():
    np.testing.assert_allclose(calibrate("claims", np.log([1 / 3, 1, 3]), "logistic"), [0.25, 0.5, 0.75])


@pytest.mark.parametrize("method", ["logistic", "rank"])
def test_constant_scores_say_nothing(method):
    assert calibrate("contrastive", np.full(5, 7.0), method).tolist() == [0.5] * 5


def test_ties_share_their_rank():
    np.testing.assert_allclose(calibrate("claims", np.array([1.0, 1.0, 2.0, 0.0]), "rank"), [0.5, 0.5, 0.875, 0.125])


def test_pool_entropy_by_hand():
    assert pool_entropy([-0.3]) == 0.0
    assert pool_entropy([-0.3] * 4) == pytest.approx(np.log(4))
    assert pool_entropy([np.log(0.75), np.log(0.25)]) == pytest.approx(0.75 * np.log(4 / 3) + 0.25 * np.log(4))


@pytest.mark.parametrize("scorer", ["contrastive", "claims"])
@pytest.mark.parametrize("method", ["logistic", "rank"])
def test_scores_that_come_later_are_read_on_the_scale_of_the_run(scorer, method):
    run = np.random.default_rng(0).normal(20, 3, 500)
    scale = fit(scorer, run, method)
    np.testing.assert_array_equal(scale(run[100:110]), calibrate(scorer, run, method)[100:110])
    later = np.array([run.min() - 5, np.median(run), run.max() + 5])
    values = scale(later)
    assert (np.diff(values) >= 0).all() and values[0] >= 0 and values[-1] <= 1
    alone = calibrate(scorer, later, method)
    assert (scorer == "claims" and method == "logistic") or not np.allclose(values, alone), "not on their own scale"


def test_a_rank_between_two_scores_of_the_run_lies_between_theirs():
    np.testing.assert_allclose(fit("claims", np.array([4.0, 1.0, 2.0, 1.0]), "rank")(np.array([0.0, 1.5])), [0, 0.5])
