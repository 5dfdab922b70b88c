"""A scatter of many points, one path a group, so that 2,000 points cost a few kilobytes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, coordinate

MOST_POINTS = 2000


@dataclass(frozen=True)
class Points:
    """kind: the CSS class of the colour. points: (id, x, y)."""

    name: str
    kind: str
    points: Sequence[tuple[str, float, float]]


def scatter(
    title: str,
    x_label: str,
    groups: Sequence[Points],
    x_limits: tuple[float, float],
    y_limits: tuple[float, float] = (0.0, 1.0),
) -> Markup:
    """Groups in order of drawing, the last on top. Points outside the limits sit on the border."""
    described = "; ".join(f"{group.name}: {len(group.points)} points" for group in groups)
    figure = Figure(title, described, height=300, bottom=42)
    x, y = figure.x_scale(*x_limits), figure.y_scale(*y_limits)
    figure.y_axis(y)
    for group in groups:
        path = "".join(
            f"M{coordinate(min(max(x(a), x.start), x.end))} {coordinate(max(min(y(b), y.start), y.end))}h0"
            for _, a, b in group.points
        )
        if path:
            figure.add('<path d="{path}" class="points {kind}"/>', path=path, kind=group.kind)
    figure.x_axis(x, x_label)
    return figure.render()


def downsampled(groups: Sequence[Points], most: int = MOST_POINTS) -> list[Points]:
    """At most `most` points in all, every group keeping its share; which ones follows from their ids alone."""
    total = sum(len(group.points) for group in groups)
    if total <= most:
        return list(groups)
    return [
        Points(group.name, group.kind, sorted(group.points, key=_rank)[: len(group.points) * most // total])
        for group in groups
    ]


def _rank(point: tuple[str, float, float]) -> str:
    return hashlib.sha256(point[0].encode()).hexdigest()
