"""Dots on the lines of their intervals, several to a labelled row, all rows on one axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Format, Scale, round_ticks, tick_text
from groundtune.report.charts.intervals import interval

_LABEL, _MARK = 26.0, 15.0  # heights: of a row's label, of a dot under it


@dataclass(frozen=True)
class DotRow:
    """marks: (name, class of the colour, {"value", "low", "high"}), drawn under each other in the row."""

    label: str
    marks: Sequence[tuple[str, str, Mapping[str, float]]]


def dot_rows(
    title: str,
    label: str,
    rows: Sequence[DotRow],
    format: Format = tick_text,
    *,
    ticks: Format = tick_text,
    limits: tuple[float, float] | None = None,
    reference: float = 0.0,
) -> Markup:
    """format: of the values, ticks: of the axis. limits: of the axis; default holds every interval and `reference`, the
    level with a meaning, drawn as a line."""
    marks = [estimate for row in rows for _, _, estimate in row.marks]
    low, high = limits or _reach(marks, reference)
    described = "; ".join(
        f"{row.label}, {name}: {format(mark['value'])} ({format(mark['low'])} to {format(mark['high'])})"
        for row in rows
        for name, _, mark in row.marks
    )
    heights = [_LABEL + _MARK * len(row.marks) + 4 for row in rows]
    figure = Figure(title, described, height=sum(heights) + 46, left=8, right=54, top=2, bottom=40)
    x = figure.x_scale(low, high)
    floor = figure.height - figure.bottom
    for value in round_ticks(low, high, 4):
        figure.line(x(value), figure.top, x(value), floor, "grid")
    figure.line(x(reference), figure.top, x(reference), floor, "zero")
    for index, row in enumerate(rows):
        _row(figure, x, figure.top + sum(heights[:index]), row, format)
    figure.x_axis(x, label, 4, ticks)
    return figure.render()


def _row(figure: Figure, x: Scale, top: float, row: DotRow, format: Format) -> None:
    figure.text(figure.left + 6, top + 15, row.label, "start", "label named")
    for index, (name, kind, mark) in enumerate(row.marks):
        y = top + _LABEL + 2 + _MARK * index
        interval(figure, x, y, mark, kind, f"{row.label}, {name}: {format(mark['value'])}", radius=5.0)
        figure.text(figure.width - figure.right + 12, y + 4, format(mark["value"]), "start", f"figure {kind}")


def _reach(marks: Sequence[Mapping[str, float]], reference: float) -> tuple[float, float]:
    low = min(reference, *(mark["low"] for mark in marks))
    high = max(reference, *(mark["high"] for mark in marks))
    air = 0.04 * (high - low) or 1.0
    return (low - air if low < reference else low), (high + air if high > reference else high)
