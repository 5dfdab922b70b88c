"""A metric against the values of a setting: one line a method, every point with its interval."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Format, coordinate, padded, polyline, tick_text

KINDS = ("line0", "line1", "line2", "line3")  # colours that tell four lines apart; more of them share
_LETTER = 7.2  # units that a letter takes, nearly all less
_WIDE = 8.0  # from this ratio of largest to smallest value on, the axis is logarithmic
_APART = 34.0  # units between the values that are written below the axis


@dataclass(frozen=True)
class ValueLine:
    """points: (value of the setting, {"value", "low", "high"}), by rising value."""

    name: str
    kind: str
    points: Sequence[tuple[float, Mapping[str, float]]]


def value_lines(
    title: str,
    level: str,
    label: str,
    lines: Sequence[ValueLine],
    base: float | None = None,
    format: Format = tick_text,
    ticks: Format = tick_text,
    values: Format = tick_text,
) -> Markup:
    """level, label: what the axes show. format: of the metric in the description, ticks: of its axis, values: of the
    setting's. base: a dashed level."""
    estimates = [estimate for line in lines for _, estimate in line.points]
    ends = [one[end] for one in estimates for end in ("low", "high")]
    low, high = padded(ends, 0.06, () if base is None else (base,))
    at = sorted({value for line in lines for value, _ in line.points})
    described = "; ".join(
        f"{line.name}: " + ", ".join(f"{values(value)} gives {format(one['value'])}" for value, one in line.points)
        for line in lines
    )
    right = max(
        16, math.ceil(_LETTER * len(values(at[-1])) / 2)
    )  # the last value is written in full below the axis' end
    figure = Figure(title, described, height=254, left=52, right=right, top=26)
    figure.text(8, 12, level, "start", "label")
    _names(figure, lines)
    across = _across(at)
    x, y = figure.x_scale(across(at[0]), across(at[-1])), figure.y_scale(low, high)
    figure.y_axis(y, format=ticks)
    if base is not None:
        figure.line(figure.left, y(base), figure.width - figure.right, y(base), "zero")
    for place, line in enumerate(lines):
        shift = 3.0 * (place - (len(lines) - 1) / 2)  # intervals of two lines at one value stand beside each other
        points = [(x(across(value)) + shift, estimate) for value, estimate in line.points]
        path = polyline([(where, y(estimate["value"])) for where, estimate in points])
        figure.add('<path d="{path}" class="mean {kind}"/>', path=path, kind=line.kind)
        for (where, estimate), (value, _) in zip(points, line.points, strict=True):
            figure.line(where, y(estimate["low"]), where, y(estimate["high"]), f"interval {line.kind}")
            figure.add(
                '<circle cx="{x}" cy="{y}" r="4" class="dot {kind}"><title>{title}</title></circle>',
                x=coordinate(where), y=coordinate(y(estimate["value"])), kind=line.kind,
                title=f"{line.name}, {values(value)}: {format(estimate['value'])}",
            )  # fmt: skip
    _values_axis(figure, [(x(across(value)), values(value)) for value in at], label)
    return figure.render()


def _names(figure: Figure, lines: Sequence[ValueLine]) -> None:
    """Of several lines, each in its colour, from the right end of the top; what finds no room stays away."""
    end = figure.width - figure.right
    for line in reversed(lines if len(lines) > 1 else ()):
        start = end - _LETTER * len(line.name)
        if start < figure.width / 4:
            return
        figure.text(end, 12, line.name, "end", f"name {line.kind}")
        end = start - 16


def _across(values: Sequence[float]) -> Callable[[float], float]:
    return math.log if values[0] > 0 and values[-1] / values[0] >= _WIDE else float


def _values_axis(figure: Figure, places: Sequence[tuple[float, str]], label: str) -> None:
    """The values that were tried, those that would touch their left neighbour left unwritten; the last always is."""
    floor = figure.height - figure.bottom
    figure.line(figure.left, floor, figure.width - figure.right, floor, "axis")
    written = -math.inf
    for index, (where, text) in enumerate(places):
        figure.line(where, floor, where, floor + 4, "axis")
        last = index == len(places) - 1
        if where - written >= _APART and (last or places[-1][0] - where >= _APART):
            figure.text(where, floor + 16, text)
            written = where
    figure.text((figure.left + figure.width - figure.right) / 2, figure.height - 5, label, kind="label")
