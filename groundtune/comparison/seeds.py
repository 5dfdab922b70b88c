"""Paired statistics of several methods over several seeds.

A method's value is the mean over seeds of its metric. Intervals: two-way percentile bootstrap, images drawn once for
all seeds (they answer about the same ones) and seeds drawn beside them; of S seeds S - 1 are drawn, with which the
variance of a mean is unbiased (Rao and Wu 1988). A handful of seeds tells little of how seeds vary: the interval of
three is approximate. p-values: permutation of the two methods' answers image by image, the same for all seeds, so that
they speak of the trained models, and the interval alone of other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from groundtune.benchmarks.bootstrap import (
    Difference,
    Estimate,
    Metrics,
    Resampling,
    Totals,
    align,
    draws,
    ends,
    p_value,
    swaps,
    totals,
    weighted,
)
from groundtune.benchmarks.question import Array, UnitCounts


@dataclass(frozen=True)
class Resampled:
    """One method's tables after all images were drawn: S seeds, R resamples.

    point: metric -> [S]. drawn: metric -> [R, S], under the drawn images. total, kept: [S][splits] count name -> [] of
    all images, [R] of those whose answers a permutation leaves with the method.
    """

    units: tuple[str, ...]
    point: Mapping[str, Array]
    drawn: Mapping[str, Array]
    total: Sequence[Sequence[Totals]]
    kept: Sequence[Sequence[Totals]]


def resample(tables: Sequence[Sequence[UnitCounts]], metrics: Metrics, resampling: Resampling) -> Resampled:
    """tables: [S][splits]. The draws follow from the number of images and the seed, so that methods that answered about
    the same images are drawn alike. A metric that a seed lacks is left out."""
    splits = len(tables[0])
    flat = align([table for seed in tables for table in seed])
    seeds = [flat[at : at + splits] for at in range(0, len(flat), splits)]
    units = flat[0].units
    total = [[totals(table) for table in seed] for seed in seeds]
    points = [metrics(seed) for seed in total]
    names = [name for name in points[0] if all(name in point for point in points)]
    drawn: dict[str, list[Array]] = {name: [] for name in names}
    for weights in draws(len(units), resampling):
        found = [metrics([weighted(table, weights) for table in seed]) for seed in seeds]
        for name in names:
            drawn[name].append(np.stack([one[name] for one in found], axis=1))
    blocks = [[[weighted(table, keep) for table in seed] for seed in seeds] for keep in swaps(len(units), resampling)]
    return Resampled(
        units,
        {name: np.array([float(point[name]) for point in points]) for name in names},
        {name: np.concatenate(parts) for name, parts in drawn.items()},
        total,
        [
            [
                {name: np.concatenate([block[s][k][name] for block in blocks]) for name in total[s][k]}
                for k in range(splits)
            ]
            for s in range(len(seeds))
        ],
    )


def estimate(method: Resampled, resampling: Resampling) -> dict[str, Estimate]:
    """Every metric's mean over seeds, with its interval."""
    return {
        name: Estimate(float(point.mean()), *ends(_over_seeds(method.drawn[name], resampling), resampling))
        for name, point in method.point.items()
    }


def difference(one: Resampled, other: Resampled, metrics: Metrics, resampling: Resampling) -> dict[str, Difference]:
    """one - other, of every metric that both have, paired by image and seed. Raises ValueError when they are not of the
    same images and as many seeds."""
    if one.units != other.units or len(one.total) != len(other.total):
        raise ValueError("two methods' counts are not of the same images and seeds")
    shared = [name for name in one.point if name in other.point]
    swapped = {name: np.zeros(resampling.resamples) for name in shared}
    for a, a_kept, b, b_kept in zip(one.total, one.kept, other.total, other.kept, strict=True):
        mixed = metrics(_mixed(a_kept, b, b_kept)), metrics(_mixed(b_kept, a, a_kept))
        for name in shared:
            swapped[name] += (mixed[0][name] - mixed[1][name]) / len(one.total)
    found = {}
    for name in shared:
        value = float((one.point[name] - other.point[name]).mean())
        drawn = _over_seeds(one.drawn[name] - other.drawn[name], resampling)
        found[name] = Difference(value, *ends(drawn, resampling), p_value(value, swapped[name]))
    return found


def _mixed(kept: Sequence[Totals], other: Sequence[Totals], other_kept: Sequence[Totals]) -> list[Totals]:
    """[splits] totals of one method's kept answers and the other's answers of the remaining images; a count that only
    one of them has is 0 in the other."""
    zero = np.zeros(1)
    return [
        {
            name: mine.get(name, zero) + whole.get(name, zero) - theirs.get(name, zero)
            for name in dict.fromkeys([*mine, *whole])
        }
        for mine, whole, theirs in zip(kept, other, other_kept, strict=True)
    ]


def _over_seeds(drawn: Array, resampling: Resampling) -> Array:
    """[R, S] -> [R]: the mean over drawn seeds; with one seed over that one, and images alone vary."""
    resamples, seeds = drawn.shape
    if seeds == 1:
        return drawn[:, 0]
    generator = np.random.default_rng([resampling.seed, 2])
    weights = generator.multinomial(seeds - 1, np.full(seeds, 1.0 / seeds), size=resamples)
    return (drawn * weights).sum(axis=1) / (seeds - 1)
