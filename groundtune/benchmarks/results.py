"""From rows of answers to the figures of a manifest: metrics with intervals, and means over splits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from groundtune.artifacts import Row
from groundtune.benchmarks.bootstrap import Estimate, Metrics, Resampling, Totals, estimate
from groundtune.benchmarks.question import Answered, Array, Benchmark
from groundtune.benchmarks.registry import benchmark_named
from groundtune.settings import EvaluationSettings


def resampling_of(settings: EvaluationSettings) -> Resampling:
    return Resampling(settings.bootstrap_resamples, settings.interval, settings.seed)


def answers_by_benchmark(rows: Iterable[Row]) -> dict[str, list[Answered]]:
    """The rows of an `answers` artifact, grouped in the order of first appearance, truths read back."""
    benchmarks: dict[str, Benchmark] = {}
    groups: dict[str, list[Answered]] = {}
    for row in rows:
        name = row["benchmark"]
        if name not in benchmarks:
            benchmarks[name] = benchmark_named(name)
            groups[name] = []
        groups[name].append(benchmarks[name].answered(row))
    return groups


def results_of(groups: Mapping[str, Sequence[Answered]], resampling: Resampling) -> dict[str, Any]:
    """{"benchmarks": {name: {"metrics": ..., other readings ..., "questions", "images"}}, "means": {family:
    ...}}.

    A metric is {"value", "low", "high"}. "means" holds a family that was asked in several splits
    (pope_random, ...).
    """
    benchmarks: dict[str, Any] = {}
    for name, answered in groups.items():
        benchmark = benchmark_named(name)
        entry: dict[str, Any] = {}
        for reading in benchmark.readings:
            values = estimate([benchmark.score(answered, reading)], metrics_of(benchmark), resampling)
            entry["metrics" if reading == benchmark.readings[0] else reading] = _plain(values)
        entry["questions"] = len(answered)
        entry["images"] = len({one.question.image for one in answered})
        benchmarks[name] = entry
    means = {}
    for family, names in families_with_splits(groups).items():
        benchmark = benchmark_named(names[0])
        counts = [benchmark_named(name).score(groups[name]) for name in names]
        values = estimate(counts, mean_metrics_of(benchmark), resampling)
        means[family] = {"metrics": _plain(values), "splits": names}
    return {"benchmarks": benchmarks, "means": means}


def families_with_splits(names: Iterable[str]) -> dict[str, list[str]]:
    """Family -> its benchmark names, for families with averaged metrics that have two splits or more."""
    families: dict[str, list[str]] = {}
    for name in names:
        benchmark = benchmark_named(name)
        if benchmark.averaged and name != benchmark.family:
            families.setdefault(benchmark.family, []).append(name)
    return {family: sorted(splits) for family, splits in families.items() if len(splits) > 1}


def metrics_of(benchmark: Benchmark) -> Metrics:
    """The benchmark's metrics, as a function of the totals of one table."""
    return lambda totals: benchmark.metrics(totals[0])


def mean_metrics_of(benchmark: Benchmark) -> Metrics:
    """The unweighted mean over splits of the metrics that the benchmark averages."""

    def mean(tables: Sequence[Totals]) -> dict[str, Array]:
        splits = [benchmark.metrics(totals) for totals in tables]
        return {
            name: sum((split[name] for split in splits[1:]), splits[0][name]) / len(splits)
            for name in benchmark.averaged
        }

    return mean


def _plain(values: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: value.as_dict() for name, value in values.items()}
