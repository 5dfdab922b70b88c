"""Drift: nothing where nothing changed, known values where the change is known."""

import json
import math

import numpy as np
import pytest

from groundtune.rounds.drift import Distribution, drift


def test_the_same_values_do_not_drift() -> None:
    one = Distribution.of(np.random.default_rng(0).normal(size=5000))
    found = drift(one, one)
    assert found.psi == 0.0 and found.ks == 0.0


def test_a_shift_has_the_distance_that_theory_gives() -> None:
    """Of two normal distributions one unit apart: KS = 2 Phi(1/2) - 1."""
    generator = np.random.default_rng(0)
    one, two = generator.normal(size=200_000), generator.normal(1.0, size=200_000)
    found = drift(Distribution.of(one), Distribution.of(two))
    assert found.ks == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=0.005)
    edges = np.quantile(one, np.linspace(0, 1, 11))[1:-1]
    shares = np.bincount(np.searchsorted(edges, two), minlength=10) / two.size
    assert found.psi == pytest.approx(float(((shares - 0.1) * np.log(shares / 0.1)).sum()), rel=0.02)
    assert found.psi > 0.25


def test_a_sample_of_the_same_is_called_stable() -> None:
    generator = np.random.default_rng(1)
    found = drift(Distribution.of(generator.beta(2, 5, size=2000)), Distribution.of(generator.beta(2, 5, size=2000)))
    assert found.psi < 0.1 and found.ks < 0.06


def test_values_that_repeat_or_never_came_stay_finite() -> None:
    constant, other = Distribution.of([1.0] * 50), Distribution.of([0.0] * 50)
    assert drift(constant, constant).psi == 0.0
    assert drift(constant, other).ks == 1.0
    halves = Distribution.of([0.0] * 50 + [1.0] * 50)
    found = drift(halves, Distribution.of([1.0] * 100))
    assert found.ks == pytest.approx(0.5, abs=0.01) and math.isfinite(found.psi)


def test_what_is_no_number_is_left_out_and_a_distribution_is_plain_data() -> None:
    one = Distribution.of([0.25, None, math.nan, 0.75])
    assert one.count == 2
    assert Distribution.from_mapping(json.loads(json.dumps(one.as_dict()))) == one
    with pytest.raises(ValueError, match="no values"):
        Distribution.of([None, math.inf])
