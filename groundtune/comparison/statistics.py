"""Every figure of a comparison: values over seeds, and differences of any two methods."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from groundtune.benchmarks.bootstrap import Difference, Estimate, Resampling
from groundtune.comparison.seeds import Resampled, difference, estimate, resample
from groundtune.comparison.tables import Counts, Group, groups_of, tables_of


class Statistics:
    """Metrics are named "<group>/<metric>", as "pope/f1" or "chair/chairs".

    seeds: of each seed, method -> counts; every seed holds the same methods and benchmarks.
    """

    def __init__(self, seeds: Sequence[Mapping[str, Counts]], readings: Mapping[str, str], resampling: Resampling):
        self.resampling = resampling
        self.methods = list(seeds[0])
        self.groups: list[Group] = groups_of(readings)
        self._resampled: dict[tuple[str, str], Resampled] = {
            (method, group.key): resample(tables_of(group, method, seeds), group.metrics, resampling)
            for method in self.methods
            for group in self.groups
        }
        self._differences: dict[tuple[str, str], dict[str, Difference]] = {}

    @cached_property
    def metrics(self) -> dict[str, dict[str, str]]:
        """Metric -> benchmark, reading, its own name, and which is better ("higher", "lower" or "")."""
        return {
            f"{group.key}/{name}": {
                "benchmark": group.benchmark,
                "reading": group.reading,
                "metric": name,
                "better": group.asked.direction(name),
            }
            for group in self.groups
            for method in self.methods
            for name in self._resampled[method, group.key].point
        }

    def values(self, method: str) -> dict[str, dict[str, Any]]:
        """Metric -> {"value", "low", "high", "seeds": [S]}."""
        found = {}
        for group in self.groups:
            mine = self._resampled[method, group.key]
            for name, value in estimate(mine, self.resampling).items():
                found[f"{group.key}/{name}"] = value.as_dict() | {"seeds": [float(one) for one in mine.point[name]]}
        return found

    def difference(self, method: str, other: str) -> dict[str, Difference]:
        """Metric -> method - other, of all that both have."""
        if (method, other) not in self._differences:
            found: dict[str, Difference] = {}
            for group in self.groups:
                pair = self._resampled[method, group.key], self._resampled[other, group.key]
                made = difference(*pair, group.metrics, self.resampling)
                found |= {f"{group.key}/{name}": one for name, one in made.items()}
            self._differences[method, other] = found
        return self._differences[method, other]


def gain(found: Estimate, better: str) -> Estimate:
    """A difference so turned that above 0 is better, whichever direction its metric has."""
    return found if better == "higher" else Estimate(-found.value, -found.high, -found.low)
