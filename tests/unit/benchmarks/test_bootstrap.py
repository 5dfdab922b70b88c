"""Intervals and paired tests: right size, right width, the same numbers for the same seed."""

import math

import numpy as np
import pytest

from groundtune.benchmarks.bootstrap import Resampling, align, estimate, paired_difference
from groundtune.benchmarks.question import UnitCounts, ratio


def table(right: list[float], asked: list[float] | None = None, prefix: str = "") -> UnitCounts:
    columns = {
        "right": np.array(right, dtype=float),
        "asked": np.array(asked or [1.0] * len(right), dtype=float),
    }
    return UnitCounts(tuple(f"{prefix}{i:05d}" for i in range(len(right))), columns)


def accuracy(totals):
    return {"accuracy": ratio(totals[0]["right"], totals[0]["asked"])}


def mean_accuracy(totals):
    return {"accuracy": sum(ratio(one["right"], one["asked"]) for one in totals) / len(totals)}


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    counts = [table(list(np.random.default_rng(0).integers(0, 2, 60).astype(float)))]
    first = estimate(counts, accuracy, Resampling(200, seed=3))
    assert estimate(counts, accuracy, Resampling(200, seed=3)) == first
    assert estimate(counts, accuracy, Resampling(200, seed=4)) != first


def test_the_interval_has_the_width_of_a_binomial() -> None:
    found = estimate([table([1.0] * 320 + [0.0] * 80)], accuracy, Resampling(4000))["accuracy"]
    half = 1.96 * math.sqrt(0.8 * 0.2 / 400)
    assert found.value == 0.8
    assert found.low == pytest.approx(0.8 - half, abs=0.006)
    assert found.high == pytest.approx(0.8 + half, abs=0.006)


def test_questions_of_one_image_do_not_count_as_independent() -> None:
    """Six equal questions an image carry the information of one: the interval must not shrink."""
    right = [float(i % 3 > 0) for i in range(120)]
    alone = estimate([table(right)], accuracy, Resampling(2000))["accuracy"]
    six = estimate([table([6 * r for r in right], [6.0] * 120)], accuracy, Resampling(2000))["accuracy"]
    assert six == alone


def test_a_95_percent_interval_holds_the_truth_about_95_times_in_100() -> None:
    generator = np.random.default_rng(11)
    held = 0
    for trial in range(200):
        counts = [table(list((generator.random(150) < 0.7).astype(float)))]
        found = estimate(counts, accuracy, Resampling(300, seed=trial))["accuracy"]
        held += found.low <= 0.7 <= found.high
    assert 180 <= held <= 199


def test_blocks_of_resamples_change_nothing_for_few_or_many_units(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [table([1.0, 0.0, 1.0, 1.0, 0.0] * 8)]
    other = [table([1.0, 1.0, 1.0, 1.0, 0.0] * 8)]
    whole = estimate(counts, accuracy, Resampling(101))
    paired = paired_difference(counts, other, accuracy, Resampling(101))
    monkeypatch.setattr("groundtune.benchmarks.bootstrap._CELLS", 40 * 7)
    assert estimate(counts, accuracy, Resampling(101)) == whole
    assert paired_difference(counts, other, accuracy, Resampling(101)) == paired


def test_an_image_of_several_splits_is_drawn_for_all_of_them() -> None:
    """Two identical splits carry the information of one: their mean has the interval of one."""
    right = [float(i % 4 > 0) for i in range(80)]
    one = estimate([table(right)], accuracy, Resampling(1000))["accuracy"]
    assert estimate([table(right), table(right)], mean_accuracy, Resampling(1000))["accuracy"] == one
    apart = estimate([table(right), table(right, prefix="other")], mean_accuracy, Resampling(1000))["accuracy"]
    assert apart.high - apart.low < one.high - one.low


def test_tables_are_aligned_over_the_union_of_their_images() -> None:
    first, second = align([table([1.0, 2.0], prefix="b"), table([3.0], prefix="a")])
    assert first.units == second.units == ("a00000", "b00000", "b00001")
    assert first.columns["right"].tolist() == [0.0, 1.0, 2.0]
    assert second.columns["right"].tolist() == [3.0, 0.0, 0.0]


def test_a_model_does_not_differ_from_itself() -> None:
    counts = [table([1.0, 0.0, 1.0])]
    found = paired_difference(counts, counts, accuracy, Resampling(100))["accuracy"]
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_paired_interval_is_narrower_than_the_two_models_apart() -> None:
    before = [float(i % 2) for i in range(200)]
    after = [1.0 if i < 20 else value for i, value in enumerate(before)]  # ten wrong answers became right
    found = paired_difference([table(before)], [table(after)], accuracy, Resampling(2000))["accuracy"]
    alone = estimate([table(after)], accuracy, Resampling(2000))["accuracy"]
    assert found.value == pytest.approx(0.05)
    assert 0 < found.low < 0.05 < found.high < 0.09
    assert found.high - found.low < (alone.high - alone.low) / 2
    assert found.p < 0.01


def test_the_p_value_is_that_of_the_exact_sign_flip_test() -> None:
    """Five images changed for the better and none for the worse: 2 of the 32 sign patterns are as extreme."""
    before, after = [0.0] * 5 + [1.0] * 20, [1.0] * 25
    found = paired_difference([table(before)], [table(after)], accuracy, Resampling(20_000))["accuracy"]
    assert found.p == pytest.approx(2 / 32, abs=0.006)
    back = paired_difference([table(after)], [table(before)], accuracy, Resampling(20_000))["accuracy"]
    assert (back.value, back.p) == (-found.value, found.p)


def test_p_values_of_equal_models_are_spread_evenly() -> None:
    generator = np.random.default_rng(5)
    small = 0
    for trial in range(200):
        one, two = ((generator.random(120) < 0.6).astype(float).tolist() for _ in range(2))
        small += (
            paired_difference([table(one)], [table(two)], accuracy, Resampling(200, seed=trial))["accuracy"].p <= 0.1
        )
    assert 6 <= small <= 36  # 20 expected


def test_counts_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="not of the same images"):
        paired_difference([table([1.0])], [table([1.0], prefix="x")], accuracy, Resampling(10))


def test_nothing_to_resample_is_refused() -> None:
    with pytest.raises(ValueError, match="no answered question"):
        estimate([UnitCounts((), {})], accuracy, Resampling(10))


def test_a_metric_that_only_one_model_has_is_not_compared() -> None:
    """A judge's rating that one model never got: no figure of nothing, and no error after all the work."""

    def metrics(totals):
        rated = {"score": ratio(totals[0]["points"], totals[0]["rated"])} if "rated" in totals[0] else {}
        return {**accuracy(totals), **rated}

    plain = table([1.0, 0.0, 1.0])
    columns = {**plain.columns, "points": np.array([3.0, 4.0, 5.0]), "rated": np.ones(3)}
    rated = UnitCounts(plain.units, columns)
    for one, two in ((plain, rated), (rated, plain)):
        found = paired_difference([one], [two], metrics, Resampling(50))
        assert set(found) == {"accuracy"}
        assert found["accuracy"].value == 0
    assert set(paired_difference([rated], [rated], metrics, Resampling(50))) == {"accuracy", "score"}
