"""The charts of a comparison: methods by key metric, and curves."""

import itertools
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from groundtune.report.charts.figure import Format, tick_text
from groundtune.report.charts.method_rows import MethodRow, method_rows
from groundtune.report.charts.value_lines import KINDS, ValueLine, value_lines
from groundtune.report.comparison.words import (
    Study,
    key_metrics,
    metric_words,
    number,
    reading_of,
    setting_value,
    titled,
)
from groundtune.report.metrics import Metric


def kind_of(study: Study, method: str) -> str:
    """The class of a method's colour: champion, rival (one of its baselines) or other."""
    verdict = study["verdict"]
    return "champion" if method == verdict["champion"] else "rival" if method in verdict["baselines"] else "other"


def method_charts(study: Study) -> dict[str, tuple[str, str, Markup]]:
    """Key metric -> (title, caption, chart): all methods but those that are on curves only."""
    found = {}
    for key in key_metrics(study):
        metric = metric_words(study, key)
        rows = [
            MethodRow(method["name"], kind_of(study, method["name"]), figure, figure["seeds"])
            for method in study["methods"]
            if not method["variant"] and (figure := method["figures"].get(key))
        ]
        base = study["base"].get(key)
        if rows:
            chart = method_rows(titled(study, key), rows, base and base["value"], _number(metric), _axis(metric))
            found[key] = (titled(study, key), _caption(study, key), chart)
    return found


def curve_charts(study: Study) -> list[tuple[str, list[tuple[str, str]], dict[str, tuple[str, str, Markup]]]]:
    """(curve, [(class of the colour, line)], key metric -> (title, caption, chart)) of every curve."""
    figures = {method["name"]: method["figures"] for method in study["methods"]}
    found = []
    for curve in study["curves"]:
        ours = [line["of"] for line in curve["lines"] if _is_champions(study, line)]
        names = ours + [line["of"] for line in curve["lines"] if line["of"] not in ours]
        # The champion has the same colour on every chart.
        kinds = dict(zip(names, itertools.cycle(KINDS if ours else KINDS[1:]), strict=False))
        legend = [(kinds[name], name) for name in names]
        charts = {}
        for key in key_metrics(study):
            lines = [ValueLine(line["of"], kinds[line["of"]], _points(line, figures, key)) for line in curve["lines"]]
            lines = [line for line in lines if line.points]
            if lines:
                charts[key] = (titled(study, key), _caption(study, key), _curve(study, curve["name"], key, lines))
        if charts:
            found.append((curve["name"], legend, charts))
    return found


def _is_champions(study: Study, line: Mapping[str, Any]) -> bool:
    champion = study["verdict"]["champion"]
    return line["of"] == champion or any(point["method"] == champion for point in line["points"])


def _points(
    line: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]], key: str
) -> list[tuple[float, Mapping[str, float]]]:
    return [(one["value"], figures[one["method"]][key]) for one in line["points"] if key in figures[one["method"]]]


def _curve(study: Study, name: str, key: str, lines: list[ValueLine]) -> Markup:
    metric, base = metric_words(study, key), study["base"].get(key)
    return value_lines(
        f"{titled(study, key)} by {name}",
        titled(study, key),
        name,
        lines,
        base and base["value"],
        _number(metric),
        _axis(metric),
        lambda value: setting_value(name, value),
    )


def _caption(study: Study, key: str) -> str:
    return ", ".join(filter(None, (metric_words(study, key).meaning, reading_of(study, key))))


def _number(metric: Metric) -> Format:
    return lambda value: number(metric, value)


def _axis(metric: Metric) -> Format:
    return (lambda value: f"{tick_text(value * 100)}\u202f%") if metric.share else tick_text
