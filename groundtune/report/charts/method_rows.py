"""Methods under each other on one axis: value with interval, seeds as small dots, the base model as a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Format, coordinate, padded, round_ticks, tick_text
from groundtune.report.charts.intervals import interval

_ROW = 29.0
_LABEL = 21  # characters of a name that fit


@dataclass(frozen=True)
class MethodRow:
    """kind: class of the colour. estimate: {"value", "low", "high"}. seeds: one value each."""

    name: str
    kind: str
    estimate: Mapping[str, float]
    seeds: Sequence[float]


def method_rows(
    title: str,
    rows: Sequence[MethodRow],
    base: float | None = None,
    format: Format = tick_text,
    ticks: Format = tick_text,
) -> Markup:
    """title: the metric, also below the axis. format: of the values at the rows' ends, ticks: of the axis. base: drawn
    as a dashed line through all rows."""
    marks = [row.estimate[end] for row in rows for end in ("low", "high", "value")]
    marks += [value for row in rows for value in row.seeds]
    low, high = padded(marks, 0.05, () if base is None else (base,))
    described = "; ".join(
        f"{row.name}: {format(row.estimate['value'])} ({format(row.estimate['low'])} to {format(row.estimate['high'])})"
        for row in rows
    )
    described += "" if base is None else f"; base model: {format(base)}"
    figure = Figure(title, described, height=_ROW * len(rows) + 62, left=140, right=50, top=20, bottom=42)
    x = figure.x_scale(low, high)
    floor = figure.height - figure.bottom
    for value in round_ticks(low, high, 4):
        figure.line(x(value), figure.top, x(value), floor, "grid")
    if base is not None:
        figure.line(x(base), figure.top, x(base), floor, "zero")
        figure.text(x(base), figure.top - 6, "base model")
    for index, row in enumerate(rows):
        y = figure.top + _ROW * index + 12
        name = row.name if len(row.name) <= _LABEL else f"{row.name[: _LABEL - 1]}…"
        figure.text(figure.left - 10, y + 4, name, "end", f"label of {row.kind}")
        interval(figure, x, y, row.estimate, row.kind, f"{row.name}: {format(row.estimate['value'])}", radius=5.0)
        for value in row.seeds if len(row.seeds) > 1 else ():
            figure.add(
                '<circle cx="{x}" cy="{y}" r="2" class="seed {kind}"/>',
                x=coordinate(x(value)), y=coordinate(y + 9), kind=row.kind,
            )  # fmt: skip
        figure.text(figure.width - figure.right + 8, y + 4, format(row.estimate["value"]), "start", f"end {row.kind}")
    figure.x_axis(x, title, 4, ticks)
    return figure.render()
