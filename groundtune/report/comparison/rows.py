"""The tables of claim and scores as rows of plain text and small charts."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from groundtune.report.charts.intervals import difference_strip
from groundtune.report.comparison.figures import kind_of
from groundtune.report.comparison.words import (
    Study,
    change,
    key_metrics,
    metric_words,
    number,
    reading_of,
    span,
    titled,
)
from groundtune.report.evaluation.words import p_value
from groundtune.report.metrics import Metric

_OUTCOMES = {"better": "better", "worse": "worse", "open": "no difference shown"}


def claim_rows(study: Study) -> list[dict[str, Any]]:
    """A baseline each: cells of the claim's metrics and of coverage beside them."""
    verdict = study["verdict"]
    found = []
    for baseline in dict.fromkeys(row["baseline"] for row in verdict["rows"]):
        rows = [row for row in (*verdict["rows"], *verdict["coverage"]) if row["baseline"] == baseline]
        found.append({"baseline": baseline, "cells": [_claim(study, row) for row in rows]})
    return found


def claim_heads(study: Study) -> list[str]:
    rows = (*study["verdict"]["rows"], *study["verdict"]["coverage"])
    return [titled(study, key) for key in dict.fromkeys(row["metric"] for row in rows)]


def _claim(study: Study, row: Mapping[str, Any]) -> dict[str, Any]:
    metric, found = metric_words(study, row["metric"]), row["difference"]
    reach = max(
        max(abs(one["difference"]["low"]), abs(one["difference"]["high"]))
        for one in (*study["verdict"]["rows"], *study["verdict"]["coverage"])
        if one["metric"] == row["metric"]
    )
    words = _OUTCOMES[row["outcome"]]
    return {
        "title": titled(study, row["metric"]),
        "change": change(metric, found["value"]),
        "span": span(metric, found, sign=True),
        "p": p_value(row["p_holm"]),
        "kind": row["outcome"],
        "outcome": words if row["outcome"] != "open" or not row["at_least_as_good"] else "at least as good",
        "strip": difference_strip(f"{titled(study, row['metric'])}", found, reach * 1.05 or 0.01, row["outcome"]),
    }


def overview_rows(study: Study, variants: bool = False) -> list[dict[str, Any]]:
    """The base model and every method, a cell a key metric; kind: better or worse than the base model for certain."""
    keys = key_metrics(study)
    methods: list[tuple[str, str, Mapping[str, Any]]] = [] if variants else [("base model", "base", study["base"])]
    methods += [
        (method["name"], kind_of(study, method["name"]), method["figures"])
        for method in study["methods"]
        if method["variant"] == variants
    ]
    return [
        {"name": name, "kind": kind, "cells": [_cell(study, key, figures.get(key)) for key in keys]}
        for name, kind, figures in methods
    ]


def _cell(study: Study, key: str, figure: Mapping[str, Any] | None) -> dict[str, str]:
    if figure is None:
        return {"value": "–", "span": "", "kind": ""}
    metric = metric_words(study, key)
    kind = outcome_of(figure.get("to_base"), study["metrics"][key]["better"])
    return {"value": number(metric, figure["value"]), "span": span(metric, figure), "kind": kind}


def outcome_of(found: Mapping[str, float] | None, better: str) -> str:
    """ "better" or "worse" when the whole interval of a difference lies on one side of 0, else ""."""
    if found is None or not better or found["low"] <= 0.0 <= found["high"]:
        return ""
    return "better" if (found["low"] > 0.0) == (better == "higher") else "worse"


def metric_tables(study: Study) -> list[dict[str, Any]]:
    """A table a key metric: every method's value, seeds, and differences to the base model and the champion."""
    return [_metric_table(study, key) for key in key_metrics(study)]


def _metric_table(study: Study, key: str) -> dict[str, Any]:
    metric, better = metric_words(study, key), study["metrics"][key]["better"]
    figures = [(method["name"], figure) for method in study["methods"] if (figure := method["figures"].get(key))]
    differences = [figure[kind] for _, figure in figures for kind in ("to_base", "to_champion") if kind in figure]
    reach = max((abs(one[end]) for one in differences for end in ("low", "high")), default=0.0) * 1.05 or 0.01
    rows = [
        {
            "name": name,
            "kind": kind_of(study, name),
            "value": number(metric, figure["value"]),
            "span": span(metric, figure),
            "seeds": _seeds(metric, figure["seeds"]),
            "to_base": _difference(metric, better, figure.get("to_base"), reach, f"{name} to the base model"),
            "to_champion": _difference(metric, better, figure.get("to_champion"), reach, f"{name} to the champion"),
        }
        for name, figure in figures
    ]
    base = study["base"].get(key)
    return {
        "title": titled(study, key),
        "meaning": ", ".join(filter(None, (metric.meaning, reading_of(study, key)))),
        "base": f"{number(metric, base['value'])} ({span(metric, base)})" if base else "",
        "rows": rows,
    }


def _seeds(metric: Metric, seeds: Sequence[float]) -> str:
    return ", ".join(number(metric, value).removesuffix("\u202f%") for value in seeds)


def _difference(
    metric: Metric, better: str, found: Mapping[str, float] | None, reach: float, title: str
) -> dict[str, Any] | None:
    if found is None:
        return None
    kind = outcome_of(found, better) or "open"
    strip: Markup = difference_strip(f"{title}: {change(metric, found['value'])}", found, reach, kind)
    return {
        "change": change(metric, found["value"]),
        "span": span(metric, found, sign=True),
        "p": p_value(found["p"]),
        "kind": kind,
        "strip": strip,
    }
