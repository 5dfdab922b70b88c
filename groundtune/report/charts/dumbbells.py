"""Before and after on one line each: two dots, what lies between them, and their intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Format, Scale, coordinate, round_ticks, tick_text

_ROW = 46.0


@dataclass(frozen=True)
class Dumbbell:
    """label, note: left of the line's figures and after it in grey. marks: (name, class of the colour, estimate as
    drawn, value in words); one or two. kind: class of the stroke between two dots."""

    label: str
    note: str
    marks: Sequence[tuple[str, str, Mapping[str, float], str]]
    kind: str = "open"


def dumbbells(
    title: str, label: str, rows: Sequence[Dumbbell], limits: tuple[float, float], ticks: Format = tick_text
) -> Markup:
    """All rows on one axis. A row: its label above the line, the values at its end, before → after."""
    described = "; ".join(f"{row.label} {row.note}: {_values(row)}" for row in rows)
    figure = Figure(title, described, height=_ROW * len(rows) + 44, left=8, right=12, top=2, bottom=40)
    x = figure.x_scale(*limits)
    floor = figure.height - figure.bottom
    for value in round_ticks(*limits, 4):
        figure.line(x(value), figure.top, x(value), floor, "grid")
    for index, row in enumerate(rows):
        _row(figure, x, figure.top + _ROW * index, row)
    figure.x_axis(x, label, 4, ticks)
    return figure.render()


def _row(figure: Figure, x: Scale, top: float, row: Dumbbell) -> None:
    figure.add(
        '<text x="{x}" y="{y}" text-anchor="start" class="label named"><tspan class="strong">{label}</tspan>'
        '<tspan dx="6">{note}</tspan></text>',
        x=coordinate(figure.left), y=coordinate(top + 16), label=row.label, note=row.note,
    )  # fmt: skip
    figure.text(figure.width - figure.right, top + 16, _values(row), "end", f"label named value {row.kind}")
    y = top + 31
    figure.line(x.start, y, x.end, y, "grid")
    places = [min(max(x(mark["value"]), x.start), x.end) for _, _, mark, _ in row.marks]
    for _, kind, mark, _ in row.marks:
        ends = sorted(min(max(x(mark[end]), x.start), x.end) for end in ("low", "high"))
        figure.add(
            '<rect x="{x}" y="{y}" width="{w}" height="12" rx="6" class="reach {kind}"/>',
            x=coordinate(ends[0]), y=coordinate(y - 6), w=coordinate(max(ends[1] - ends[0], 1.0)), kind=kind,
        )  # fmt: skip
    if len(places) == 2:
        figure.line(places[0], y, places[1], y, f"between {row.kind}")
    for place, (name, kind, _, shown) in zip(places, row.marks, strict=True):
        figure.add(
            '<circle cx="{x}" cy="{y}" r="5.5" class="dot {kind}"><title>{title}</title></circle>',
            x=coordinate(place), y=coordinate(y), kind=kind, title=f"{row.label}, {name}: {shown}",
        )  # fmt: skip


def _values(row: Dumbbell) -> str:
    return " → ".join(shown for _, _, _, shown in row.marks)
