"""Overlaid histograms: one filled group, others as outlines, each as a share of its own group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from groundtune.report.charts.figure import Figure, Scale, coordinate, polyline


@dataclass(frozen=True)
class Group:
    """values: [N] finite numbers. kind: the CSS class that gives the colour ("all", "chosen", "rejected")."""

    name: str
    kind: str
    values: NDArray[np.float64]


def histogram(
    title: str,
    label: str,
    groups: Sequence[Group],
    limits: tuple[float, float],
    bins: int = 24,
    unit: str = "answers",
    zero: bool = False,
) -> Markup:
    """The first group filled, the others as stepped outlines. y: share of the group, so that groups of different
    sizes compare. Values outside `limits` count in the outermost bins, and none is hidden. zero: mark the level 0."""
    edges = np.linspace(*limits, bins + 1)
    shares = [_shares(group.values, edges) for group in groups]
    top = max((float(share.max()) for share in shares), default=0.0) or 1.0
    described = "; ".join(_described(group, unit) for group in groups)
    figure = Figure(title, f"{label}. Share of each group. {described}.")
    x, y = figure.x_scale(*limits), figure.y_scale(0.0, top * 1.06)
    figure.y_axis(y, format=lambda value: f"{value:.0%}")
    for index, (group, share) in enumerate(zip(groups, shares, strict=True)):
        if not group.values.size:
            continue
        if index == 0:
            _bars(figure, group, share, edges, x, y)
        else:
            points = [(x(edges[0]), y(0.0))]
            for bin_index, value in enumerate(share):
                points += [(x(edges[bin_index]), y(value)), (x(edges[bin_index + 1]), y(value))]
            points.append((x(edges[-1]), y(0.0)))
            figure.add('<path d="{path}" class="outline {kind}"/>', path=polyline(points), kind=group.kind)
    if zero:
        figure.line(x(0.0), figure.top, x(0.0), figure.height - figure.bottom, "zero")
    figure.x_axis(x, label)
    return figure.render()


def _bars(
    figure: Figure, group: Group, share: NDArray[np.float64], edges: NDArray[np.float64], x: Scale, y: Scale
) -> None:
    for index, value in enumerate(share):
        if not value:
            continue
        left, right = x(edges[index]), x(edges[index + 1])
        figure.add(
            '<rect x="{x}" y="{y}" width="{w}" height="{h}" class="bar {kind}">'
            "<title>{low:.2f} to {high:.2f}: {share:.1%}</title></rect>",
            x=coordinate(left + 0.5), y=coordinate(y(value)), w=coordinate(max(right - left - 1, 0.5)),
            h=coordinate(y(0.0) - y(value)), kind=group.kind, low=edges[index], high=edges[index + 1], share=value,
        )  # fmt: skip


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """[bins] of sum 1, or zeros for an empty group."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return counts / max(values.size, 1)


def _described(group: Group, unit: str) -> str:
    if not group.values.size:
        return f"{group.name}: none"
    return f"{group.name}: {group.values.size} {unit}, median {np.median(group.values):.2f}"
