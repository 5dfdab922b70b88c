"""The claim: one method is at least as good as each of its baselines, at equal budget. Holds, fails, or stays open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundtune.benchmarks.bootstrap import Difference
from groundtune.comparison.budgets import comparable, unequal
from groundtune.comparison.holm import holm
from groundtune.comparison.statistics import Statistics, gain
from groundtune.errors import SettingError
from groundtune.settings import VerdictSettings

HOLDS, FAILS, OPEN, NOT_COMPARABLE, NOT_MEASURED = "holds", "fails", "open", "not comparable", "not measured"
# What must be read beside a metric of hallucination: who says nothing invents nothing.
COVERAGE = {"chairs": "recall", "chairs_all": "recall", "chairi": "recall", "chair": "cover", "hal": "cover"}
Budgets = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Claim:
    """champion: said to be at least as good as each of `baselines`, by the rules of `settings`."""

    champion: str
    baselines: Sequence[str]
    settings: VerdictSettings


def verdict_of(statistics: Statistics, budgets: Budgets, claim: Claim) -> dict[str, Any]:
    """{"state", "champion", "baselines", "rows", "coverage", "says_less", "unequal", "missing", ...}, plain data.

    A row: one baseline and metric, its difference (champion - baseline) with Holm's p over all rows; outcome "better"
    or "worse" when the interval leaves out 0 and that p is below the level, else "open"; at_least_as_good when the
    whole interval is above -margin, better counted upwards. The claim holds when all are, and none is worse; it fails
    when one is worse; budgets that differ, or that nobody wrote down, make it not comparable; a method or metric that
    is not there, not measured. coverage: rows of the metrics that must be read beside those of hallucination, judged
    likewise; says_less: methods that name less of what is there than the base model.
    """
    for name in claim.settings.metrics:
        if name in statistics.metrics and not statistics.metrics[name]["better"]:
            raise SettingError("metrics", name, "metrics of which more is better or worse", "verdict")
    known = [name for name in claim.baselines if name in statistics.methods]
    missing = [name for name in (claim.champion, *claim.baselines) if name not in statistics.methods]
    rows: list[dict[str, Any]] = []
    differing: list[dict[str, Any]] = []
    if claim.champion in statistics.methods:
        rows = [row for name in known for row in _rows(statistics, name, claim)]
        differing = [one for name in known if (one := _budget(budgets, name, claim))]
    coverage = _coverage(statistics, claim, known)
    for together in (rows, coverage):  # each corrected for its own number of questions
        _judge(together, claim)
    held = {(row["baseline"], row["metric"]) for row in rows}
    missing += [
        name
        for name in claim.settings.metrics
        if name not in statistics.metrics or (rows and any((baseline, name) not in held for baseline in known))
    ]
    return {
        "state": _state(rows, differing, missing),
        "champion": claim.champion,
        "baselines": list(claim.baselines),
        "metrics": list(claim.settings.metrics),
        "margin": claim.settings.margin,
        "budget_tolerance": claim.settings.budget_tolerance,
        "rows": rows,
        "coverage": coverage,
        "says_less": _says_less(statistics, claim),
        "unequal": differing,
        "missing": missing,
    }


def _rows(statistics: Statistics, baseline: str, claim: Claim) -> list[dict[str, Any]]:
    found = statistics.difference(claim.champion, baseline)
    return [_row(statistics, baseline, name, found[name]) for name in claim.settings.metrics if name in found]


def _row(statistics: Statistics, baseline: str, name: str, found: Difference) -> dict[str, Any]:
    better = statistics.metrics[name]["better"]
    return {
        "baseline": baseline,
        "metric": name,
        "better": better,
        "difference": found.as_dict(),
        "gain": gain(found, better).as_dict(),
    }


def _judge(rows: list[dict[str, Any]], claim: Claim) -> None:
    level = 1.0 - claim.settings.interval
    for row, corrected in zip(rows, holm([row["difference"]["p"] for row in rows]), strict=True):
        low, high = row["gain"]["low"], row["gain"]["high"]
        certain = corrected < level
        row["p_holm"] = corrected
        row["outcome"] = "better" if low > 0 and certain else "worse" if high < 0 and certain else "open"
        row["at_least_as_good"] = low > -claim.settings.margin


def _state(rows: Sequence[Mapping[str, Any]], differing: Sequence[Any], missing: Sequence[str]) -> str:
    if missing or not rows:
        return NOT_MEASURED
    if differing:
        return NOT_COMPARABLE
    if any(row["outcome"] == "worse" for row in rows):
        return FAILS
    return HOLDS if all(row["at_least_as_good"] for row in rows) else OPEN


def _budget(budgets: Budgets, baseline: str, claim: Claim) -> dict[str, Any] | None:
    """What of the budgets of champion and baseline is not equal; None when they are."""
    one, other = budgets[claim.champion], budgets[baseline]
    if not comparable(one, other):
        return {"baseline": baseline, "budget": "", "champion": [], "other": []}
    names = unequal(one, other, claim.settings.budget_tolerance)
    if not names:
        return None
    name = names[0]
    return {"baseline": baseline, "budget": name, "champion": list(one[name]), "other": list(other[name])}


def coverage_of(metrics: Sequence[str]) -> list[str]:
    """The metrics of coverage that belong beside these: "chair/recall" beside "chair/chairs"."""
    split = (name.rpartition("/") for name in metrics)
    return list(dict.fromkeys(f"{group}/{COVERAGE[last]}" for group, _, last in split if last in COVERAGE))


def _coverage(statistics: Statistics, claim: Claim, known: Sequence[str]) -> list[dict[str, Any]]:
    if claim.champion not in statistics.methods:
        return []
    names = coverage_of(claim.settings.metrics)
    return [
        _row(statistics, baseline, name, found[name])
        for baseline in known
        for found in [statistics.difference(claim.champion, baseline)]
        for name in names
        if name in found
    ]


def _says_less(statistics: Statistics, claim: Claim) -> list[dict[str, Any]]:
    """With the whole interval below 0."""
    found = []
    for method in statistics.methods[1:]:
        differences = statistics.difference(method, statistics.methods[0])
        for name in coverage_of(claim.settings.metrics):
            if name in differences and differences[name].high < 0:
                found.append({"method": method, "metric": name, "difference": differences[name].as_dict()})
    return found
