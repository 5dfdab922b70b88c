"""Interval plots: an estimate as a dot on the line of its confidence interval."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Format, Scale, coordinate, round_ticks, tick_text


def interval_plot(
    title: str, rows: Sequence[tuple[str, str, Mapping[str, float]]], format: Format = tick_text
) -> Markup:
    """Rows (name, class of the colour, {"value", "low", "high"}) under each other, on one axis that starts at 0."""
    high = max(figure["high"] for _, _, figure in rows) * 1.08 or 1.0
    low = min(0.0, *(figure["low"] for _, _, figure in rows))
    described = "; ".join(f"{n}: {format(f['value'])} ({format(f['low'])} to {format(f['high'])})" for n, _, f in rows)
    figure = Figure(title, described, height=34 * len(rows) + 34, left=62, right=18, top=4, bottom=30, width=360)
    x = figure.x_scale(low, high)
    for index, (name, kind, estimate) in enumerate(rows):
        y = figure.top + 34 * index + 17
        figure.line(figure.left, y, figure.width - figure.right, y, "grid")
        figure.text(figure.left - 10, y + 4, name, "end", "label")
        interval(figure, x, y, estimate, kind, f"{name}: {format(estimate['value'])}", radius=6.0)
    floor = figure.height - figure.bottom
    figure.line(figure.left, floor, figure.width - figure.right, floor, "axis")
    for value in round_ticks(x.low, x.high, 4):
        figure.text(x(value), floor + 16, format(value))
    return figure.render()


def difference_strip(title: str, estimate: Mapping[str, float], reach: float, kind: str) -> Markup:
    """One paired difference around 0, for a table cell. reach: the axis goes from -reach to reach."""
    figure = Figure(title, width=150, height=24, left=6, right=6, top=0, bottom=0)
    x = figure.x_scale(-reach, reach)
    figure.line(x(0.0), 2, x(0.0), 22, "zero")
    interval(figure, x, 12, estimate, kind, "", radius=4.0)
    return figure.render()


def interval(
    figure: Figure, x: Scale, y: float, estimate: Mapping[str, float], kind: str, name: str, radius: float
) -> None:
    """One estimate at height y; what lies outside the scale sits on its end. name: shown on hover, "" for nothing."""
    ends = sorted(min(max(x(estimate[end]), x.start), x.end) for end in ("low", "high"))
    figure.line(ends[0], y, ends[1], y, f"interval {kind}")
    figure.add(
        '<circle cx="{x}" cy="{y}" r="{r}" class="dot {kind}">{title}</circle>',
        x=coordinate(min(max(x(estimate["value"]), x.start), x.end)), y=coordinate(y), r=coordinate(radius),
        kind=kind, title=Markup("<title>{}</title>").format(name) if name else "",
    )  # fmt: skip
