"""Did it help? The before/after table, the one figure that matters, and the sentence that says it honestly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from groundtune.artifacts import Artifact
from groundtune.benchmarks.comparison import compare
from groundtune.benchmarks.registry import benchmark_named
from groundtune.errors import ArtifactError
from groundtune.report import wording
from groundtune.report.charts.intervals import difference_strip, interval_plot
from groundtune.report.metrics import is_share
from groundtune.report.run_artifacts import RunArtifacts

Table = list[dict[str, Any]]
_BESIDE = (("coverage", "chair", "recall"), ("CHAIRi", "chair", "chairi"), ("POPE F1", "pope", "f1"))
_SHORTER = 0.2  # an answer that lost more than this share of its words gets a word of caution


@dataclass(frozen=True)
class Outcome:
    """rows: those of `comparison.compare`; without paired differences ("difference" is None) `problem` says why.

    headline: the row of the figure that matters most, None when nothing was measured.
    """

    rows: Table = field(default_factory=list)
    problem: str = ""
    interval: float = 0.95
    headline: dict[str, Any] | None = None


def outcome_of(run: RunArtifacts) -> Outcome:
    """Compare base and aligned answers. What cannot be compared is shown with the reason, not left out."""
    if run.base is None or run.aligned is None:
        return Outcome(problem=_missing(run))
    empty = [name for name, answers in (("base", run.base), ("aligned", run.aligned)) if not len(answers)]
    if empty:
        return Outcome(problem=f"The evaluation of the {' and the '.join(empty)} model holds no answers.")
    try:
        compared = compare(run.base, run.aligned)
    except ArtifactError as error:
        return Outcome(rows=_unpaired(run.base, run.aligned), problem=f"No paired differences: {error}")
    return Outcome(compared["rows"], "", compared["interval"], _headline(compared["rows"]))


def outcome_of_rows(rows: Table, problem: str, interval: float) -> Outcome:
    """Of rows that `compare` made before, or none because of `problem`."""
    return Outcome(rows, problem, interval, _headline(rows))


def _missing(run: RunArtifacts) -> str:
    if run.base is None and run.aligned is None:
        return "Neither the base nor the aligned model was evaluated."
    return f"The {'base' if run.base is None else 'aligned'} model was not evaluated, so there is nothing to compare."


def _unpaired(base: Artifact, aligned: Artifact) -> Table:
    """Figures of both manifests side by side, where both have them."""
    before, after = (artifact.results.get("benchmarks", {}) for artifact in (base, aligned))
    return [
        {
            "benchmark": name,
            "reading": "official",
            "metric": metric,
            "better": benchmark_named(name).direction(metric),
            "base": before[name]["metrics"][metric],
            "aligned": after[name]["metrics"][metric],
            "difference": None,
            "verdict": "",
        }
        for name in before
        if name in after
        for metric in before[name]["metrics"]
        if metric in after[name]["metrics"]
    ]


def find(rows: Table, family: str, metric: str) -> dict[str, Any] | None:
    """A family's row of a metric: the mean over splits when there is one, else its first official one."""
    found = [row for row in rows if row["benchmark"].partition("_")[0] == family and row["metric"] == metric]
    means = [row for row in found if row["reading"].startswith("mean of")]
    official = [row for row in found if row["reading"] == "official"]
    return next(iter(means + official), None)


def _headline(rows: Table) -> dict[str, Any] | None:
    first = find(rows, "chair", "chairs") or find(rows, "pope", "f1")
    return first or next((row for row in rows if row["better"]), None)


def relative_change(row: Mapping[str, Any]) -> float | None:
    """(aligned - base) / base; None when base is 0."""
    base = row["base"]["value"]
    return (row["aligned"]["value"] - base) / base if base else None


def sentence(outcome: Outcome) -> str:
    """The headline. "better" and "worse" are said only when the interval of the paired difference excludes 0."""
    row = outcome.headline
    if row is None:
        what = "The two evaluations cannot be compared" if outcome.rows else "Not measured"
        return f"{what}: whether alignment helped is open."
    verdict, chairs = row["verdict"], row["metric"] == "chairs"
    name = wording.metric_words(row["benchmark"], row["metric"])[0]
    if verdict == "better":
        return "Fewer answers name things that are not there." if chairs else f"{name} improved."
    if verdict == "worse":
        worse = "More answers name things that are not there: alignment made it worse."
        return worse if chairs else f"{name} got worse."
    return f"No clear change: the difference in {name} could be chance."


def cautions(outcome: Outcome) -> list[str]:
    """What a reader must know beside a good headline: silence looks like sight when only CHAIR is read."""
    notes = []
    recall, words = find(outcome.rows, "chair", "recall"), find(outcome.rows, "chair", "words")
    pope = find(outcome.rows, "pope", "f1")
    if recall and recall["verdict"] == "worse":
        notes.append(
            f"Coverage fell by {wording.decimal(-recall['difference']['value'] * 100, 1)} points: "
            "part of the change may be silence, not sight."
        )
    change = relative_change(words) if words else None
    if change is not None and change < -_SHORTER:
        shorter = wording.percent(-change, 0)
        notes.append(f"Answers became {shorter} shorter; shorter answers have less room to go wrong.")
    if pope and pope is not outcome.headline and pope["verdict"] == "worse":
        notes.append("POPE got worse: yes/no questions about existence are answered less well than before.")
    return notes


def tiles(outcome: Outcome) -> list[dict[str, str]]:
    """The figures beside the headline: relative change, coverage, POPE, CHAIRi."""
    found = []
    if outcome.headline and (change := relative_change(outcome.headline)) is not None:
        found.append(
            {
                "name": "relative change",
                "value": wording.percent(change, 0, sign=True),
                "detail": _difference_text(outcome.headline, outcome.interval),
                "verdict": outcome.headline["verdict"],
            }
        )
    for label, family, metric in _BESIDE:
        row = find(outcome.rows, family, metric)
        if row is None or row is outcome.headline:
            continue
        found.append(
            {
                "name": label,
                "value": wording.figure(metric, row["aligned"]["value"]),
                "detail": f"{wording.figure(metric, row['base']['value'])} before, "
                + {"better": "better", "worse": "worse"}.get(row["verdict"], "no clear change"),
                "verdict": row["verdict"],
            }
        )
    return found


def _difference_text(row: Mapping[str, Any], interval: float) -> str:
    change = row["difference"]
    if change is None:
        return ""
    return (
        f"{wording.difference(row['metric'], change['value'])} "
        f"({interval:.0%} interval {wording.span(row['metric'], change, sign=True)})"
    )


def headline_plot(outcome: Outcome) -> Markup:
    """Base and aligned with their intervals, on one axis."""
    row = outcome.headline
    if row is None:
        return Markup("")
    return interval_plot(
        f"{wording.metric_words(row['benchmark'], row['metric'])[0]}, base and aligned model",
        [
            ("base", "base", row["base"]),
            ("aligned", "worse" if row["verdict"] == "worse" else "aligned", row["aligned"]),
        ],
        (lambda value: wording.decimal(value, 1))
        if not is_share(row["metric"])
        else (lambda value: wording.percent(value, 0)),
    )


def table_groups(outcome: Outcome) -> list[dict[str, Any]]:
    """The table cut by benchmark and reading, every cell written out, differences drawn on one scale a group."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in outcome.rows:
        groups.setdefault((row["benchmark"], row["reading"]), []).append(row)
    means = {name for name, reading in groups if reading.startswith("mean of")}
    return [
        {
            "benchmark": name,
            "reading": "" if reading == "official" else reading,
            "rows": _cells(rows),
            # Splits stand behind their mean, other readings behind the published one.
            "main": name in means or (reading == "official" and name.partition("_")[0] not in means),
        }
        for (name, reading), rows in groups.items()
    ]


def _cells(rows: Table) -> list[dict[str, Any]]:
    reach: dict[str, float] = {}
    for row in rows:
        if row["difference"]:
            widest = max(abs(row["difference"]["low"]), abs(row["difference"]["high"]), 0.01)
            reach[_scale(row)] = max(reach.get(_scale(row), 0.0), widest)
    return [_cell(row, reach.get(_scale(row), 1.0)) for row in rows]


def _scale(row: Mapping[str, Any]) -> str:
    """Shares are drawn on one scale; every other metric is on its own."""
    return "" if is_share(row["metric"]) else str(row["metric"])


def _cell(row: Mapping[str, Any], reach: float) -> dict[str, Any]:
    metric, change = row["metric"], row["difference"]
    name, meaning = wording.metric_words(row["benchmark"], metric)
    kind = {"better": "better", "worse": "worse"}.get(row["verdict"], "open")
    shown = wording.difference(metric, change["value"]) if change else ""
    return {
        "name": name,
        "meaning": meaning,
        "arrow": {"higher": "↑", "lower": "↓"}.get(row["better"], ""),
        "better": {"higher": "higher is better", "lower": "lower is better"}.get(row["better"], "neither is better"),
        "base": wording.figure(metric, row["base"]["value"]),
        "base_span": wording.span(metric, row["base"]),
        "aligned": wording.figure(metric, row["aligned"]["value"]),
        "aligned_span": wording.span(metric, row["aligned"]),
        "difference": shown,
        "difference_span": wording.span(metric, change, sign=True) if change else "",
        "p": ("<\u00a00.001" if change["p"] < 0.001 else wording.decimal(change["p"], 3)) if change else "",
        "strip": difference_strip(f"{name}: {shown}, aligned minus base", change, reach * 1.05, kind) if change else "",
        "kind": kind,
        "verdict": _verdict_words(row) if change else "",
    }


def _verdict_words(row: Mapping[str, Any]) -> str:
    if row["verdict"] in ("better", "worse"):
        return str(row["verdict"])
    return "no clear change" if row["better"] else "–"
