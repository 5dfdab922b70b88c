"""The before/after figure: key metrics as dumbbells, those to lower apart from those to raise."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from groundtune.report import wording
from groundtune.report.charts.dumbbells import Dumbbell, dumbbells
from groundtune.report.evaluation.figures import Estimate, Figures, Group, Line, key_lines
from groundtune.report.evaluation.words import benchmark_title, number

_TITLES = {"lower": "Lower is better", "higher": "Higher is better"}
_KINDS = ("base", "aligned")


def panels(figures: Figures) -> list[tuple[str, str, Markup]]:
    """(title, caption, chart) for each direction that has a metric. At most two models; the first two of several.

    Every line is drawn as a share of the most that its metric can be (MMHal: 6), written in its own unit: scales that
    differ would make a radar's area mean nothing.
    """
    found = []
    for direction, title in _TITLES.items():
        rows = [
            _row(figures, group, line)
            for group, line in key_lines(figures)
            if line.better == direction and line.words.top and all(line.figures[:2])
        ]
        if rows:
            chart = dumbbells(title, "share of the most that there can be", rows, _limits(direction, rows), _tick)
            found.append((title, "bands are intervals", chart))
    return found


def _limits(direction: str, rows: Sequence[Dumbbell]) -> tuple[float, float]:
    """From the best possible end to the next tenth behind the farthest interval: dots need no zero, bars would."""
    estimates = [mark for row in rows for _, _, mark, _ in row.marks]
    if direction == "lower":
        return 0.0, min(1.0, math.ceil(max(mark["high"] for mark in estimates) * 10 + 1e-9) / 10 or 0.1)
    return max(0.0, math.floor(min(mark["low"] for mark in estimates) * 10 - 1e-9) / 10), 1.0


def _row(figures: Figures, group: Group, line: Line) -> Dumbbell:
    shown: list[tuple[str, Estimate]] = [
        (name, figure) for name, figure in list(zip(figures.models, line.figures, strict=True))[:2] if figure
    ]
    top = line.words.top or 1.0
    kind = {"better": "better", "worse": "worse"}.get(line.verdict, "open")
    kinds = _KINDS if len(shown) == 2 else ("aligned",)
    if kind == "worse":
        kinds = ("base", "worse")
    marks = [
        (name, colour, {end: figure[end] / top for end in ("value", "low", "high")}, number(line, figure["value"]))
        for (name, figure), colour in zip(shown, kinds, strict=True)
    ]
    return Dumbbell(line.words.name, benchmark_title(group.benchmark), marks, kind)


def _tick(value: float) -> str:
    return wording.percent(value, 0)
