"""Are a round's scores still distributed as in the first round? Numbers that say so before the benchmarks do.

PSI: the population stability index over the first round's deciles (the credit industry's; below 0.1 is called stable,
above 0.25 a shift). KS: the largest distance of the two distribution functions (Kolmogorov 1933). Both are sizes and no
tests, for with many answers every difference is certain and few matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_QUANTILES = 1001
_BINS = 10
_LEAST = 1e-4  # share of a bin, where it holds nothing


@dataclass(frozen=True)
class Distribution:
    """count: values. quantiles: 1001 of them, the least and the largest value at the ends."""

    count: int
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Distribution":
        """Of all values that are numbers. Raises ValueError when none is."""
        found = np.array([value for value in values if value is not None], dtype=np.float64)
        found = found[np.isfinite(found)]
        if not found.size:
            raise ValueError("no values: a distribution needs at least one")
        return cls(int(found.size), tuple(np.quantile(found, np.linspace(0.0, 1.0, _QUANTILES)).tolist()))

    def as_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return {"count": self.count, "quantiles": list(self.quantiles)}

    @classmethod
    def from_mapping(cls, given: Mapping[str, object]) -> "Distribution":
        return cls(int(given["count"]), tuple(given["quantiles"]))  # type: ignore[call-overload, arg-type]


@dataclass(frozen=True)
class Drift:
    """psi: from 0, in nats. ks: from 0 to 1."""

    psi: float
    ks: float


def drift(first: Distribution, now: Distribution) -> Drift:
    """Of two distributions, within the 0.001 of their quantiles."""
    one, two = np.array(first.quantiles), np.array(now.quantiles)
    edges = np.unique(one[:: (_QUANTILES - 1) // _BINS])[1:-1]  # values that repeat have one bin
    expected, found = _shares(one, edges), _shares(two, edges)
    at = np.union1d(one, two)
    ks = np.abs(_below(one, at) - _below(two, at)).max()
    return Drift(float(((found - expected) * np.log(found / expected)).sum()), float(ks))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the values in each bin; a value on an edge belongs to the bin below it."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)
    return np.maximum(counts / values.size, _LEAST)


def _below(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.searchsorted(values, at, side="right") / values.size
