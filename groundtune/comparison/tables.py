"""What every method of every seed answered, as counts an image: all that statistics need, and small."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundtune.artifacts import Artifact
from groundtune.benchmarks.bootstrap import Metrics
from groundtune.benchmarks.question import Benchmark, UnitCounts
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import answers_by_benchmark, families_with_splits, mean_metrics_of, metrics_of
from groundtune.errors import ArtifactError

Counts = dict[str, UnitCounts]  # benchmark -> its first reading's counts


@dataclass(frozen=True)
class Group:
    """A benchmark, or a family's mean over its splits. key: what its metrics' names begin with. reading: "official",
    "mean of 3", ..."""

    key: str
    benchmark: str
    reading: str
    splits: tuple[str, ...]

    @property
    def asked(self) -> Benchmark:
        return benchmark_named(self.benchmark)

    @property
    def is_mean(self) -> bool:
        return len(self.splits) > 1

    @property
    def metrics(self) -> Metrics:
        return mean_metrics_of(self.asked) if self.is_mean else metrics_of(self.asked)


def counts_of(comparison: Artifact) -> tuple[dict[str, Counts], dict[str, str]]:
    """Method ("" the base model) -> benchmark -> counts, and benchmark -> the reading that they are of.

    One method's rows are in memory at a time. Raises ArtifactError when two methods allow other first readings."""
    counts: dict[str, Counts] = {}
    readings: dict[str, str] = {}
    for method, rows in itertools.groupby(comparison.rows(), key=lambda row: str(row["method"])):
        counts[method] = {}
        for name, answered in answers_by_benchmark(rows).items():
            benchmark = benchmark_named(name)
            reading = benchmark.readings_of(answered)[0]
            if readings.setdefault(name, reading) != reading:
                raise ArtifactError(f"{comparison.path}: {name} of {method!r} was not answered as that of the others")
            counts[method][name] = benchmark.score(answered, reading)
    return counts, readings


def groups_of(readings: Mapping[str, str]) -> list[Group]:
    """Means over splits first, as a summary wants them, then every benchmark; one that is asked as a whole and in
    splits is called "<name> as a whole"."""
    families = families_with_splits(readings)
    means = [Group(family, family, f"mean of {len(names)}", tuple(names)) for family, names in families.items()]
    single = [
        Group(f"{name} as a whole" if name in families else name, name, reading, (name,))
        for name, reading in readings.items()
    ]
    return means + single


def tables_of(group: Group, method: str, seeds: Sequence[Mapping[str, Counts]]) -> list[list[UnitCounts]]:
    """[S][splits]."""
    return [[seed[method][name] for name in group.splits] for seed in seeds]
