"""Line curves over training steps: the raw curve thin, its moving mean strong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Scale, coordinate, padded, polyline, tick_text

_MOST_POINTS = 600  # of one curve; more are invisible at this size


@dataclass(frozen=True)
class Curve:
    """kind: the CSS class of the colour. values: one number a step, NaN where a step has none."""

    name: str
    kind: str
    values: Sequence[float]


@dataclass(frozen=True)
class Span:
    """A named stretch of steps, both ends included."""

    name: str
    first: float
    last: float


def line_chart(
    title: str,
    steps: Sequence[float],
    curves: Sequence[Curve],
    *,
    zero: bool = False,
    limits: tuple[float, float] | None = None,
    spans: Sequence[Span] = (),
) -> Markup:
    """zero: show the level 0 and keep it in range. limits: the range of y; default follows the values. spans: bands
    behind the curves, one beside the other, with their names on top."""
    values = [value for curve in curves for value in curve.values]
    low, high = limits or padded(values, include=(0.0,) if zero else ())
    described = "; ".join([*map(_described, curves), *(f"{one.name}: from step {one.first:g}" for one in spans)])
    figure = Figure(title, described, width=320, height=190, left=40, right=8, top=26 if spans else 10)
    # A single step is drawn as a point in the middle of its own little axis.
    first, last = (steps[0], steps[-1]) if len(steps) > 1 else (steps[0] - 1, steps[0] + 1)
    x, y = figure.x_scale(first, last), figure.y_scale(low, high)
    _bands(figure, x, spans)
    figure.y_axis(y)
    if zero:
        figure.line(figure.left, y(0.0), figure.width - figure.right, y(0.0), "zero")
    for curve in curves:
        smooth = moving_mean(curve.values, max(1, len(curve.values) // 20))
        for series, kind in ((curve.values, "raw"), (smooth, "mean")):
            if kind == "raw" and len(steps) < 20:
                continue
            points = thinned([(x(step), y(value)) for step, value in zip(steps, series, strict=True)])
            if len(points) == 1:
                points = [(points[0][0] - 3, points[0][1]), (points[0][0] + 3, points[0][1])]
            figure.add(
                '<path d="{path}" class="{kind} {colour}"/>', path=polyline(points), kind=kind, colour=curve.kind
            )
    figure.x_axis(x, "optimizer step", format=lambda value: tick_text(value) if float(value).is_integer() else "")
    return figure.render()


def _bands(figure: Figure, x: Scale, spans: Sequence[Span]) -> None:
    """Every second span shaded; they meet halfway between the last step of one and the first of the next."""
    for index, span in enumerate(spans):
        start = x((spans[index - 1].last + span.first) / 2) if index else x.start
        end = x((span.last + spans[index + 1].first) / 2) if index + 1 < len(spans) else x.end
        if index % 2 == 0:
            figure.add(
                '<rect x="{x}" y="{y}" width="{w}" height="{h}" class="span"/>',
                x=coordinate(start), y=coordinate(figure.top), w=coordinate(end - start),
                h=coordinate(figure.height - figure.bottom - figure.top),
            )  # fmt: skip
        figure.text((start + end) / 2, figure.top - 8, span.name)


def moving_mean(values: Sequence[float], half: int) -> list[float]:
    """Mean over the window [i - half, i + half], cut at the ends; NaN are left out."""
    array = np.asarray(values, dtype=np.float64)
    smooth = []
    for index in range(array.size):
        window = array[max(0, index - half) : index + half + 1]
        window = window[np.isfinite(window)]
        smooth.append(float(window.mean()) if window.size else math.nan)
    return smooth


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every n-th point, with the last one, when there are more than a screen can show."""
    step = -(-len(points) // _MOST_POINTS)
    return points[:-1:step] + points[-1:] if step > 1 else points


def _described(curve: Curve) -> str:
    finite = [value for value in curve.values if math.isfinite(value)]
    return f"{curve.name}: from {finite[0]:.3g} to {finite[-1]:.3g}" if finite else f"{curve.name}: no values"
