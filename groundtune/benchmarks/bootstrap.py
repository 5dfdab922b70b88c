"""Confidence intervals and paired tests by resampling images.

Images are the unit, not questions: the questions of one image rise and fall together, and an interval over
questions would be too narrow. Everything is a weighted sum of counts an image, so R resamples are one matrix
product. Intervals: percentile bootstrap (Efron 1979). p-values: permutation of paired answers (Fisher 1935).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from groundtune.benchmarks.question import Array, UnitCounts

Totals = Mapping[str, Array]
Metrics = Callable[[Sequence[Totals]], Mapping[str, Array]]
_CELLS = 4_000_000  # of one block of the [resamples, units] matrix: 32 MB


@dataclass(frozen=True)
class Resampling:
    """resamples: R, at least 1. interval: coverage, 0.95 for 95 %. seed: the same seed, the same numbers."""

    resamples: int = 1000
    interval: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its percentile interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Difference(Estimate):
    """Second minus first, with the two-sided p-value of "an image does not care which model answered"."""

    p: float


def estimate(counts: Sequence[UnitCounts], metrics: Metrics, resampling: Resampling) -> dict[str, Estimate]:
    """Every metric with its interval.

    counts: one table, or one for each split of a family: an image that several splits ask about is drawn for
    all of them at once. metrics: takes the totals of each table, count name -> [...], and gives name ->
    [...].
    """
    tables = align(counts)
    point = metrics([totals(table) for table in tables])
    drawn = [
        metrics([weighted(table, weights) for table in tables]) for weights in draws(len(tables[0].units), resampling)
    ]
    return {name: Estimate(float(value), *ends(_joined(drawn, name), resampling)) for name, value in point.items()}


def paired_difference(
    first: Sequence[UnitCounts], second: Sequence[UnitCounts], metrics: Metrics, resampling: Resampling
) -> dict[str, Difference]:
    """Every metric's difference, second - first, for two models that answered the same questions.

    Only metrics that both have. Interval: paired bootstrap, both models on the same drawn images. p: permutation that
    swaps the two models' answers of an image with probability 1/2, (1 + as extreme) / (1 + R), so never 0. Raises
    ValueError when units differ.
    """
    one, two = align(first), align(second)
    if [table.units for table in one] != [table.units for table in two]:
        raise ValueError("the two models' counts are not of the same images")
    units = len(one[0].units)
    # A rating that one model never got is a metric that only the other has: there is nothing to compare.
    before, after = (metrics([totals(table) for table in tables]) for tables in (one, two))
    shared = [name for name in before if name in after]
    one, two = _with_same_columns(one, two), _with_same_columns(two, one)

    def difference(a: Sequence[Totals], b: Sequence[Totals]) -> dict[str, Array]:
        before, after = metrics(a), metrics(b)
        return {name: after[name] - before[name] for name in shared}

    point = difference([totals(table) for table in one], [totals(table) for table in two])
    drawn = [
        difference([weighted(t, weights) for t in one], [weighted(t, weights) for t in two])
        for weights in draws(units, resampling)
    ]
    swapped = [
        difference([_mixed(a, b, keep) for a, b in zip(one, two, strict=True)],
                   [_mixed(b, a, keep) for a, b in zip(one, two, strict=True)])
        for keep in swaps(units, resampling)
    ]  # fmt: skip
    return {
        name: Difference(
            float(value),
            *ends(_joined(drawn, name), resampling),
            p_value(float(value), _joined(swapped, name)),
        )
        for name, value in point.items()
    }


def align(tables: Sequence[UnitCounts]) -> list[UnitCounts]:
    """The same tables over the union of their units, in sorted order; a unit that a table lacks counts
    nothing there.
    """
    units = tuple(sorted({unit for table in tables for unit in table.units}))
    if not units:
        raise ValueError("no unit to resample: the benchmark has no answered question")
    place = {unit: at for at, unit in enumerate(units)}
    aligned = []
    for table in tables:
        rows = np.array([place[unit] for unit in table.units], dtype=np.intp)
        columns = {}
        for name, column in table.columns.items():
            columns[name] = np.zeros(len(units))
            columns[name][rows] = column
        aligned.append(UnitCounts(units, columns))
    return aligned


def _with_same_columns(tables: Sequence[UnitCounts], others: Sequence[UnitCounts]) -> list[UnitCounts]:
    """A count that only the other model's table has is 0 here."""
    return [
        UnitCounts(table.units, {**{name: np.zeros(len(table.units)) for name in other.columns}, **table.columns})
        for table, other in zip(tables, others, strict=True)
    ]


def draws(units: int, resampling: Resampling) -> Iterator[Array]:
    """[r, U] float64: how often each unit is drawn, r rows at a time until R are done."""
    generator = np.random.default_rng([resampling.seed, 0])
    for size in _blocks(units, resampling.resamples):
        yield generator.multinomial(units, np.full(units, 1.0 / units), size=size).astype(np.float64)


def swaps(units: int, resampling: Resampling) -> Iterator[Array]:
    """[r, U] float64 of 0 and 1: 1 keeps the unit's answers with their model."""
    generator = np.random.default_rng([resampling.seed, 1])
    for size in _blocks(units, resampling.resamples):
        yield generator.integers(0, 2, size=(size, units)).astype(np.float64)


def _blocks(units: int, resamples: int) -> Iterator[int]:
    size = max(1, _CELLS // units)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def totals(table: UnitCounts) -> Totals:
    """Every unit once: count name -> []."""
    return {name: np.asarray(column.sum()) for name, column in table.columns.items()}


def weighted(table: UnitCounts, weights: Array) -> Totals:
    """Totals of resamples, count name -> [r]. weights: [r, U], how often each unit counts."""
    return {name: weights @ column for name, column in table.columns.items()}


def _mixed(kept: UnitCounts, other: UnitCounts, keep: Array) -> Totals:
    return {name: keep @ kept.columns[name] + (1.0 - keep) @ other.columns[name] for name in kept.columns}


def _joined(blocks: Sequence[Mapping[str, Array]], name: str) -> Array:
    return np.concatenate([block[name] for block in blocks])


def ends(values: NDArray[np.float64], resampling: Resampling) -> tuple[float, float]:
    """The percentile interval of resampled values."""
    tail = (1.0 - resampling.interval) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def p_value(value: float, permuted: Array) -> float:
    """Two-sided: the share of permutations as extreme as the value, itself counted, so never 0."""
    # The tolerance lets a permutation that restores the very same split of answers count as equally extreme.
    extreme = int(np.count_nonzero(np.abs(permuted) >= abs(value) - 1e-12))
    return (1 + extreme) / (1 + len(permuted))
