"""The served model over rounds: what users get falls or stays, and what was refused never reaches them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from groundtune.report.charts.figure import Figure, Format, Scale, coordinate, legend, padded, polyline, tick_text
from groundtune.report.rounds.words import KeyMetric, Stories, champion_now, key_metrics, version
from groundtune.rounds.intake import FAILED
from groundtune.rounds.record import PROMOTED, REFUSED

_APART = 28.0  # units between the numbers below the axis
_ASIDE = 7.0  # units that a refused challenger stands beside the champion
_CLOSE = 14.0  # units between rounds below which points are small


@dataclass(frozen=True)
class Point:
    """round: its number, one less than the first for what stood before. estimate: {"value", "low", "high"}."""

    round: int
    version: str
    estimate: dict[str, Any]


@dataclass(frozen=True)
class Course:
    """served: the champion's, after each round that ended with a decision. unserved: challengers that did not become
    champion. failed: rounds. base: the base model's estimate of the last decided round."""

    served: Sequence[Point]
    unserved: Sequence[Point]
    failed: Sequence[int]
    base: dict[str, Any] | None


def course(stories: Stories, key: str) -> Course:
    """Of a metric; rounds that did not measure it have no point."""
    served: list[Point] = []
    unserved: list[Point] = []
    base = None
    for story in stories:
        if story.record is None:
            continue
        figures = {who: of.get(key) for who, of in story.record.figures.items()}
        champion, challenger, base = figures.get("champion"), figures.get("challenger"), figures.get("base") or base
        if champion and not served:
            served.append(Point(stories[0].number - 1, story.record.champion, champion))
        if story.state == PROMOTED and challenger:
            served.append(Point(story.number, story.record.challenger, challenger))
        elif challenger:
            unserved.append(Point(story.number, story.record.challenger, challenger))
        if story.state == REFUSED and champion:
            served.append(Point(story.number, story.record.champion, champion))
    return Course(served, unserved, [story.number for story in stories if story.state == FAILED], base)


def served_now(stories: Stories, key: str) -> dict[str, Any] | None:
    """The champion's estimate, None when it was not measured."""
    served = course(stories, key).served
    return served[-1].estimate if served and served[-1].version == champion_now(stories) else None


def charts(stories: Stories) -> dict[str, tuple[str, str, Markup]]:
    """Key metric -> (title, caption, chart)."""
    return {metric.key: (metric.title, metric.words.meaning, chart(stories, metric)) for metric in key_metrics(stories)}


def key(stories: Stories) -> Markup:
    """The legend of all charts: what is on any of them."""
    courses = [course(stories, metric.key) for metric in key_metrics(stories)]
    entries = [("champion", "champion after the round")]
    entries += [("unserved", "challenger that was not promoted")] if any(one.unserved for one in courses) else []
    entries += [("level", "base model")] if any(one.base for one in courses) else []
    entries += [("lost", "round that failed")] if any(one.failed for one in courses) else []
    return legend(entries)


def chart(stories: Stories, metric: KeyMetric) -> Markup:
    """One metric over all rounds."""
    one = course(stories, metric.key)
    ends = [point.estimate[end] for point in (*one.served, *one.unserved) for end in ("low", "high", "value")]
    low, high = padded(ends, 0.08, (one.base["value"],) if one.base else ())
    figure = Figure(f"{metric.title} over rounds", _described(one, metric), height=250, left=52, right=62, top=26)
    figure.text(8, 12, f"{metric.name}, {metric.better} is better", "start", "label")
    y = figure.y_scale(low, high)
    figure.y_axis(y, format=_ticks(metric))
    first, last = stories[0].number - 1, stories[-1].number
    x = Scale(first, last, figure.left + 14, figure.width - figure.right - 14)
    apart = x(first + 1) - x(first)
    if one.base:
        figure.line(figure.left, y(one.base["value"]), figure.width - figure.right, y(one.base["value"]), "zero")
    path = polyline(_steps([(x(point.round), y(point.estimate["value"])) for point in one.served], x(last)))
    figure.add('<path d="{path}" class="mean champion"/>', path=path)
    size = "" if apart >= _CLOSE else " close"
    for point in one.unserved:
        _point(figure, x(point.round) + min(_ASIDE, apart / 3), y, point, f"unserved{size}", metric)
    for point in one.served:
        _point(figure, x(point.round), y, point, f"{'champion' if point.version else 'base'}{size}", metric)
    if one.served:
        now = one.served[-1].estimate
        figure.text(figure.width - figure.right + 2, y(now["value"]) + 4, metric.value(now), "start", "end champion")
    _axis(figure, x, one.failed)
    return figure.render()


def _steps(points: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """A model is served until the round that replaces it, the last one until now."""
    after = [*(where for where, _ in points[1:]), end]
    pieces = [((where, level), (until, level)) for (where, level), until in zip(points, after, strict=True)]
    return [corner for piece in pieces for corner in piece]


def _point(figure: Figure, where: float, y: Scale, point: Point, kind: str, metric: KeyMetric) -> None:
    estimate = point.estimate
    figure.line(where, y(estimate["low"]), where, y(estimate["high"]), f"interval {kind}")
    figure.add(
        '<circle cx="{x}" cy="{y}" r="{r}" class="dot {kind}"><title>{title}</title></circle>',
        x=coordinate(where), y=coordinate(y(estimate["value"])), r=2 if kind.endswith("close") else 4.5, kind=kind,
        title=f"{_told(point)}: {metric.value(estimate)} ({metric.span(estimate)})",
    )  # fmt: skip


def _axis(figure: Figure, x: Scale, failed: Sequence[int]) -> None:
    """Round numbers that would touch are left unwritten, the last one never."""
    floor = figure.height - figure.bottom
    figure.line(figure.left, floor, figure.width - figure.right, floor, "axis")
    first, last = int(x.low), int(x.high)
    apart = x(first + 1) - x(first)
    step = next(step for power in itertools.count() for step in (10**power, 5 * 10**power) if step * apart >= _APART)
    for number in range(first, last + 1):
        if number == last or (number % step == 0 and (last - number) * apart >= _APART):
            figure.line(x(number), floor, x(number), floor + 4, "axis")
            figure.text(x(number), floor + 16, str(number) if number > first else "start")
    for number in failed:
        figure.add(
            '<text x="{x}" y="{y}" text-anchor="middle" class="lost">×<title>round {number} failed</title></text>',
            x=coordinate(x(number)), y=coordinate(floor - 4), number=number,
        )  # fmt: skip
    figure.text((figure.left + figure.width - figure.right) / 2, figure.height - 5, "round", kind="label")


def _described(one: Course, metric: KeyMetric) -> str:
    told = [f"{_told(point)}: {metric.value(point.estimate)}" for point in one.served]
    told += [f"{_told(point)}, not promoted: {metric.value(point.estimate)}" for point in one.unserved]
    told += [f"base model: {metric.value(one.base)}"] if one.base else []
    told += [f"round {number} failed" for number in one.failed]
    return "; ".join(told)


def _told(point: Point) -> str:
    return f"round {point.round}, {version(point.version)}" if point.round else f"start, {version(point.version)}"


def _ticks(metric: KeyMetric) -> Format:
    return (lambda value: f"{tick_text(value * 100)}\u202f%") if metric.words.share else tick_text
