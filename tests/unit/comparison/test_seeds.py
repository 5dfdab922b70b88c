"""Statistics over seeds: the same as a plain slow loop, and intervals that hold what they promise."""

import numpy as np
import pytest

from groundtune.benchmarks.bootstrap import Resampling, Totals
from groundtune.benchmarks.question import Array, UnitCounts, ratio
from groundtune.comparison.holm import holm
from groundtune.comparison.seeds import difference, estimate, resample

IMAGES = 30


def accuracy(tables: list[Totals]) -> dict[str, Array]:
    """The mean over splits of right / questions, which is no mean over images."""
    shares = [ratio(table["right"], table["questions"]) for table in tables]
    return {"accuracy": sum(shares[1:], shares[0]) / len(shares)}


def answered(generator: np.random.Generator, share: float, splits: int, seeds: int) -> list[list[UnitCounts]]:
    """[seeds][splits]; images have between 1 and 5 questions, the same for every seed."""
    units = tuple(f"{i:02d}" for i in range(IMAGES))
    asked = [1.0 + np.arange(IMAGES) % 5, 1.0 + np.arange(IMAGES) % 3][:splits]
    return [
        [UnitCounts(units, {"right": generator.binomial(n.astype(int), share) * 1.0, "questions": n}) for n in asked]
        for _ in range(seeds)
    ]


def slowly(
    first: list[list[UnitCounts]], second: list[list[UnitCounts]], resampling: Resampling
) -> tuple[list[float], list[float]]:
    """(differences of resamples, differences of permutations), image by image and seed by seed."""
    images = np.random.default_rng([resampling.seed, 0])
    coins = np.random.default_rng([resampling.seed, 1])
    among = np.random.default_rng([resampling.seed, 2])
    seeds = len(first)
    drawn, swapped = [], []
    for _ in range(resampling.resamples):
        times = images.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES))
        of_seed = [mean(one, times) - mean(other, times) for one, other in zip(first, second, strict=True)]
        if seeds == 1:
            drawn.append(of_seed[0])
        else:
            picked = among.multinomial(seeds - 1, np.full(seeds, 1 / seeds))
            drawn.append(sum(t * d for t, d in zip(picked, of_seed, strict=True)) / (seeds - 1))
        keep = coins.integers(0, 2, size=IMAGES)
        swapped.append(
            sum(mean(one, keep, other) - mean(other, keep, one) for one, other in zip(first, second, strict=True))
            / seeds
        )
    return drawn, swapped


def mean(tables: list[UnitCounts], times: np.ndarray, others: list[UnitCounts] | None = None) -> float:
    """times: how often each image counts; with `others`, 1 counts an image here and 0 counts it there."""
    shares = []
    for k, table in enumerate(tables):
        right = questions = 0.0
        for i in range(IMAGES):
            source = table if others is None or times[i] else others[k]
            weight = times[i] if others is None else 1
            right += weight * source.columns["right"][i]
            questions += weight * source.columns["questions"][i]
        shares.append(right / questions if questions else 0.0)
    return sum(shares) / len(shares)


@pytest.mark.parametrize(("splits", "seeds"), [(1, 1), (1, 3), (2, 4)])
def test_intervals_and_p_values_are_those_of_a_plain_loop(splits: int, seeds: int) -> None:
    generator = np.random.default_rng(splits + seeds)
    one, other = answered(generator, 0.7, splits, seeds), answered(generator, 0.6, splits, seeds)
    resampling = Resampling(60, 0.9, seed=5)
    found = difference(resample(one, accuracy, resampling), resample(other, accuracy, resampling), accuracy, resampling)
    drawn, swapped = slowly(one, other, resampling)
    value = float(
        np.mean([mean(a, np.ones(IMAGES)) - mean(b, np.ones(IMAGES)) for a, b in zip(one, other, strict=True)])
    )
    assert found["accuracy"].value == pytest.approx(value)
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))
    extreme = sum(abs(one) >= abs(value) - 1e-12 for one in swapped)
    assert found["accuracy"].p == pytest.approx((1 + extreme) / 61)


def simulated(
    generator: np.random.Generator, gap: float, seeds: int, seed_noise: float
) -> list[list[list[UnitCounts]]]:
    """Two methods whose true difference is `gap`; images and training seeds each move what a method gets right."""
    images = 120
    hard = generator.normal(0.0, 0.15, images)
    found = []
    for level in (0.6, 0.6 + gap):
        likes = generator.normal(0.0, 0.05, images)
        rows = []
        for _ in range(seeds):
            share = np.clip(level + hard + likes + generator.normal(0.0, seed_noise), 0.02, 0.98)
            columns = {"right": generator.binomial(6, share) * 1.0, "questions": np.full(images, 6.0)}
            rows.append([UnitCounts(tuple(map(str, range(images))), columns)])
        found.append(rows)
    return found


@pytest.mark.parametrize(
    ("seeds", "seed_noise", "least"),
    [(1, 0.0, 0.90), (3, 0.0, 0.92), (5, 0.0, 0.92), (3, 0.02, 0.86), (5, 0.02, 0.90)],
)
def test_a_95_percent_interval_holds_the_true_difference(seeds: int, seed_noise: float, least: float) -> None:
    generator = np.random.default_rng(17)
    held = 0
    for trial in range(100):
        lower, higher = simulated(generator, 0.03, seeds, seed_noise)
        resampling = Resampling(200, seed=trial)
        pair = (resample(tables, accuracy, resampling) for tables in (higher, lower))
        found = difference(*pair, accuracy, resampling)["accuracy"]
        held += found.low <= 0.03 <= found.high
    assert held >= 100 * least


def test_an_interval_of_images_alone_is_too_narrow_for_seeds_that_differ() -> None:
    """What one seed cannot tell: its interval holds the truth far less often than it says."""
    generator = np.random.default_rng(18)
    held = 0
    for trial in range(60):
        lower, higher = simulated(generator, 0.03, 1, 0.08)
        resampling = Resampling(200, seed=trial)
        pair = (resample(tables, accuracy, resampling) for tables in (higher, lower))
        found = difference(*pair, accuracy, resampling)["accuracy"]
        held += found.low <= 0.03 <= found.high
    assert held < 45


def test_a_metric_that_one_seed_lacks_is_left_out_and_the_rest_stays() -> None:
    units = ("a", "b")
    both = UnitCounts(units, {"right": np.array([1.0, 0.0]), "rated": np.array([2.0, 3.0])})
    one = UnitCounts(units, {"right": np.array([1.0, 1.0])})

    def metrics(tables: list[Totals]) -> dict[str, Array]:
        found = {"right": tables[0]["right"] / 2}
        return found | ({"rated": tables[0]["rated"]} if "rated" in tables[0] else {})

    resampling = Resampling(20)
    full, partly = (resample([[a], [b]], metrics, resampling) for a, b in ((both, both), (both, one)))
    assert set(estimate(full, resampling)) == {"right", "rated"}
    assert set(difference(full, partly, metrics, resampling)) == {"right"}


def test_methods_of_other_images_do_not_compare() -> None:
    resampling = Resampling(20)
    one, other = (
        resample([[UnitCounts((unit, "x"), {"right": np.ones(2), "questions": np.ones(2)})]], accuracy, resampling)
        for unit in "ab"
    )
    with pytest.raises(ValueError, match="not of the same images"):
        difference(one, other, accuracy, resampling)


def test_holm_multiplies_the_smallest_most_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []
