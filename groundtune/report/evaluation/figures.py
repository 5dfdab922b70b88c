"""The figures of one or several evaluated `answers` artifacts, in the one shape that every table is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.benchmarks.comparison import compare
from groundtune.benchmarks.registry import benchmark_named
from groundtune.errors import ArtifactError, SettingError
from groundtune.report.metrics import Metric, metric_of

Estimate = Mapping[str, float]  # {"value", "low", "high"}
ARROWS = {"higher": "↑", "lower": "↓", "": ""}
# What could not be read. It tells of the measurement, not of the model, and is 0 % in nearly every evaluation.
_UNREAD = ("unparsed", "malformed", "unrated")
_WORTH_SAYING = 0.01
_COUNTS = ("questions", "images", "excluded", "refused", "reading", "metrics")  # what else a benchmark's entry holds


@dataclass(frozen=True)
class Evaluated:
    """An `answers` artifact with its figures, under the name that tables give its model."""

    name: str
    answers: Artifact

    def __post_init__(self) -> None:
        if self.answers.kind != "answers":
            raise ArtifactError(f"{self.answers.path}: holds {self.answers.kind!r}, expected an evaluation's 'answers'")
        if "benchmarks" not in self.answers.results:
            raise ArtifactError(f"{self.answers.path}: a slice without figures; join the slices first (score_answers)")


@dataclass(frozen=True)
class Line:
    """One metric. figures: a model's estimate each, None where it has none. refused: model -> why it has none.

    difference: second - first {"value", "low", "high", "p"} of two models that compare, else None; verdict: "better",
    "worse", "open", or "" without a difference.
    """

    metric: str
    words: Metric
    better: str
    figures: tuple[Estimate | None, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    difference: Mapping[str, float] | None = None
    verdict: str = ""

    @property
    def arrow(self) -> str:
        return ARROWS[self.better]

    @property
    def detailed(self) -> bool:
        """Of one category of the questions only ("existence.f1")."""
        return "." in self.metric


@dataclass(frozen=True)
class Group:
    """One reading of one benchmark. first: the reading that tables show first. mean: of several splits. counts: a
    model's {"questions", "images", "excluded"} each, None where it was not asked."""

    benchmark: str
    reading: str
    first: bool
    mean: bool
    counts: tuple[Mapping[str, int] | None, ...]
    lines: list[Line]


@dataclass(frozen=True)
class Figures:
    """models: their names. problem: why two models have no differences, "" when they have or are not two. interval:
    coverage of the intervals."""

    models: tuple[str, ...]
    groups: list[Group]
    problem: str
    interval: float
    rows: list[dict[str, Any]]  # of `compare`, [] without it


def figures_of(models: Sequence[Evaluated]) -> Figures:
    """Raises ArtifactError when one of them is no evaluation. Two models get paired differences, base first; what keeps
    them from comparing is said in `problem`, and their figures stand side by side all the same."""
    results = [model.answers.results for model in models]
    rows: list[dict[str, Any]] = []
    problem = ""
    if len(models) == 2:
        try:
            rows = compare(models[0].answers, models[1].answers)["rows"]
        except ArtifactError as error:
            problem = f"No paired differences: {error}"
    compared = {(row["benchmark"], row["reading"], row["metric"]): row for row in rows}
    names = tuple(model.name for model in models)
    groups: list[Group] = []
    families = list(dict.fromkeys(name for result in results for name in result.get("means", {})))
    for family in families:
        entries = [result.get("means", {}).get(family) for result in results]
        splits = max(len(entry["splits"]) for entry in entries if entry)
        reading = f"mean of {splits}"
        lines = _lines(names, family, reading, [entry and entry["metrics"] for entry in entries], [{}] * 2, compared)
        groups.append(Group(family, reading, True, True, tuple(None for _ in models), lines))
    for name in dict.fromkeys(name for result in results for name in result["benchmarks"]):
        entries = [result["benchmarks"].get(name) for result in results]
        for index, reading in enumerate(_readings(entries)):
            metrics = [_metrics(entry, reading) for entry in entries]
            refused = [entry["refused"] if entry and index == 0 else {} for entry in entries]
            lines = _lines(names, name, reading, metrics, refused, compared)
            groups.append(Group(name, reading, index == 0, False, tuple(_counts(entry) for entry in entries), lines))
    interval = max(float(model.answers.settings.get("interval", 0.95)) for model in models)
    return Figures(names, groups, problem, interval, rows)


def _readings(entries: Sequence[Mapping[str, Any] | None]) -> list[str]:
    found: dict[str, None] = {}
    for entry in entries:
        if entry:
            found |= dict.fromkeys([entry.get("reading", "official"), *(name for name in entry if name not in _COUNTS)])
    return list(found)


def _metrics(entry: Mapping[str, Any] | None, reading: str) -> Mapping[str, Estimate] | None:
    if entry is None:
        return None
    return entry["metrics"] if reading == entry.get("reading", "official") else entry.get(reading)


def _counts(entry: Mapping[str, Any] | None) -> Mapping[str, int] | None:
    return {name: int(entry.get(name, 0)) for name in ("questions", "images", "excluded")} if entry else None


def _lines(
    models: Sequence[str],
    benchmark: str,
    reading: str,
    metrics: Sequence[Mapping[str, Estimate] | None],
    refused: Sequence[Mapping[str, str]],
    compared: Mapping[tuple[str, str, str], Mapping[str, Any]],
) -> list[Line]:
    wanted = dict.fromkeys(name for found in metrics if found for name in found)
    wanted |= dict.fromkeys(name for reasons in refused for name in reasons)
    lines = []
    for metric in wanted:
        row = compared.get((benchmark, reading, metric))
        lines.append(
            Line(
                metric,
                metric_of(benchmark, metric),
                direction_of(benchmark, metric),
                tuple(found.get(metric) if found else None for found in metrics),
                {model: why[metric] for model, why in zip(models, refused, strict=False) if metric in why},
                row["difference"] if row else None,
                row["verdict"] if row else "",
            )
        )
    return lines


def direction_of(benchmark: str, metric: str) -> str:
    """ "higher", "lower" or "" of a metric; "" when this groundtune does not know the benchmark."""
    try:
        return benchmark_named(benchmark).direction(metric)
    except SettingError:
        return ""


def key_lines(figures: Figures) -> list[tuple[Group, Line]]:
    """The few lines that a summary and a figure show: key metrics of first readings, the mean of splits instead of
    them; of a benchmark without a key metric, all that have a better direction. The share that could not be read is one
    of them where it is above 1 % in one of the models."""
    averaged = {metric.benchmark for metric in figures.groups if metric.mean}
    found = []
    for group in figures.groups:
        in_mean = not group.mean and any(group.benchmark.startswith(f"{family}_") for family in averaged)
        if not group.first or in_mean:
            continue
        lines = [line for line in group.lines if line.better and any(line.figures) and not line.detailed]
        lines = [line for line in lines if line.metric not in _UNREAD or _much(line)]
        found += [(group, line) for line in [line for line in lines if line.words.key] or lines]
    return found


def _much(line: Line) -> bool:
    return any(figure["value"] > _WORTH_SAYING for figure in line.figures if figure)
