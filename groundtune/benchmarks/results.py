"""From rows of answers to the figures of a manifest: metrics with intervals, and means over splits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.bootstrap import Estimate, Metrics, Resampling, Totals, estimate
from groundtune.benchmarks.question import Answered, Array, Benchmark
from groundtune.benchmarks.registry import benchmark_named
from groundtune.progress import say
from groundtune.settings import EvaluationSettings

NO_JUDGE = "no judge: set judge.base_url and judge.model"
NO_VERDICT = "no verdict of the judge could be read"


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


def results_of_artifact(answers: Artifact, settings: EvaluationSettings) -> dict[str, Any]:
    """The figures of an `answers` artifact (results_of), with the number of excluded questions of every benchmark."""
    judged = bool(answers.manifest["extra"].get("judge"))
    results = results_of(answers_by_benchmark(answers.rows()), resampling_of(settings), judged)
    excluded = Counter(row["id"].partition("/")[0] for row in answers.rejected())
    for name, entry in results["benchmarks"].items():
        entry["excluded"] = excluded[name]
    return results


def results_of(
    groups: Mapping[str, Sequence[Answered]], resampling: Resampling, judged: bool = False
) -> dict[str, Any]:
    """{"benchmarks": {name: {"metrics": ..., "reading": what they are of, other readings ..., "refused", "questions",
    "images"}}, "means": {family: ...}}.

    A metric is {"value", "low", "high"}. "refused" tells of each metric that only a judge can make why it is not there.
    "means" holds a family that was asked in several splits (pope_random, ...).
    """
    benchmarks: dict[str, Any] = {}
    for name, answered in groups.items():
        benchmark = benchmark_named(name)
        entry: dict[str, Any] = {}
        readings = benchmark.readings_of(answered)
        for reading in readings:
            values = estimate([benchmark.score(answered, reading)], metrics_of(benchmark), resampling)
            entry["metrics" if reading == readings[0] else reading] = _plain(values)
        entry["reading"] = readings[0]
        why = NO_VERDICT if judged else NO_JUDGE
        entry["refused"] = dict.fromkeys(sorted(benchmark.judged - entry["metrics"].keys()), why)
        entry["questions"] = len(answered)
        entry["images"] = len({one.question.image for one in answered})
        benchmarks[name] = entry
    means = {}
    for family, names in families_with_splits(groups).items():
        benchmark = benchmark_named(names[0])
        reading = benchmark.readings_of(groups[names[0]])[0]
        counts = [benchmark_named(name).score(groups[name], reading) for name in names]
        values = estimate(counts, mean_metrics_of(benchmark), resampling)
        means[family] = {"metrics": _plain(values), "splits": names}
    return {"benchmarks": benchmarks, "means": means}


def say_results(stage: str, answers: Artifact) -> None:
    """The figures that have a better direction, a line a benchmark, on stdout."""
    for name, entry in answers.results.get("benchmarks", {}).items():
        benchmark = benchmark_named(name)
        shown = [
            f"{metric} {value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
            for metric, value in entry["metrics"].items()
            if metric in benchmark.better and benchmark.direction(metric)
        ]
        refused = [f"{metric} refused ({why})" for metric, why in entry["refused"].items()]
        left_out = [f"{entry['excluded']} questions excluded"] if entry["excluded"] else []
        say(stage, f"{name}: {', '.join(shown + refused + left_out)}")


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
            if all(name in split for split in splits)  # a judged metric is not there without a judge
        }

    return mean


def _plain(values: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: value.as_dict() for name, value in values.items()}
