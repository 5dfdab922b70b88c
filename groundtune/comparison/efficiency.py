"""How few pairs the champion needs to reach a baseline's full result."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.comparison.statistics import Statistics, gain
from groundtune.comparison.verdict import Claim


def efficiency_of(statistics: Statistics, curves: Sequence[Mapping[str, Any]], claim: Claim) -> dict[str, Any] | None:
    """{"target", "points": [{"value", "method", "reached", "rows"}], "least", "claimed", "holds"}; None when the curve
    of claim.settings.efficiency_curve has no line of the champion's, or the target was not trained.

    A point has reached the target when it is at least as good (non-inferior by the margin) on every metric of the claim
    that both have; least: the smallest value from which on every larger point has reached it as well, None when none
    has.
    """
    lines = [line for curve in curves if curve["name"] == claim.settings.efficiency_curve for line in curve["lines"]]
    mine = next((line for line in lines if line["of"] == claim.champion), None)
    if mine is None or claim.settings.efficiency_target not in statistics.methods:
        return None
    points = [_point(statistics, point, claim) for point in mine["points"]]
    least = None
    for point in reversed(points):
        if not point["reached"]:
            break
        least = point["value"]
    return {
        "curve": claim.settings.efficiency_curve,
        "target": claim.settings.efficiency_target,
        "points": points,
        "least": least,
        "claimed": claim.settings.efficiency_share,
        "holds": least is not None and least <= claim.settings.efficiency_share,
    }


def _point(statistics: Statistics, point: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    found = statistics.difference(point["method"], claim.settings.efficiency_target)
    gains = {
        name: gain(found[name], statistics.metrics[name]["better"]) for name in claim.settings.metrics if name in found
    }
    reached = bool(gains) and all(one.low > -claim.settings.margin for one in gains.values())
    return {**point, "reached": reached, "rows": {name: found[name].as_dict() for name in gains}}
