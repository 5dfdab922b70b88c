"""Figures out of turns: medians, quartiles, ratios round by round, and how steep a curve ends."""

import pytest

from bench.engine.growth import exponent
from bench.engine.statistics import compared, spread, summary


def turn(seconds, pairs=4):
    return {"seconds": seconds, "pairs": pairs, "peak": 1}


def test_the_median_and_quartiles_by_hand():
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert spread([2.0, 1.0]) == {"median": 1.5, "low": 1.0, "high": 2.0}
    with pytest.raises(ValueError, match="no turn was measured"):
        spread([])


def test_a_ratio_is_taken_round_by_round():
    """A machine that slows down in one round slows both sides: the ratio stays."""
    ours, theirs = [turn(1.0), turn(10.0), turn(1.0)], [turn(3.0), turn(30.0), turn(3.0)]
    assert compared(ours, theirs, "pairs") == {"median": 3.0, "low": 3.0, "high": 3.0}


def test_a_turn_with_more_work_is_not_slower_for_it():
    assert compared([turn(2.0, pairs=8)], [turn(1.0, pairs=4)], "pairs")["median"] == 1.0
    assert summary([turn(2.0, pairs=8)], "pairs")["pairs_per_second"]["median"] == 4.0


@pytest.mark.parametrize(("power", "expected"), [(1, 1.0), (2, 2.0), (0.5, 0.5)])
def test_the_exponent_of_a_power_law_is_found(power, expected):
    points = [{"value": x, "seconds": {"median": 3.0 * x**power}} for x in (2, 4, 16)]
    assert exponent(points) == pytest.approx(expected)
