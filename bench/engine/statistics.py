"""Medians and quartiles of turns, and ratios of turns that were taken beside each other."""

import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float]) -> dict[str, float]:
    """median, low and high quartile; with fewer than three values the quartiles are the extremes."""
    if not values:
        raise ValueError("no turn was measured")
    if len(values) < 3:
        return {"median": statistics.median(values), "low": min(values), "high": max(values)}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}


def rate(turn: dict[str, Any], unit: str) -> float:
    """Units a second of one turn."""
    return float(turn[unit] / turn["seconds"])


def summary(turns: Sequence[dict[str, Any]], unit: str) -> dict[str, Any]:
    """Rate in `unit` a second, seconds of a turn, and every turn as it was."""
    kept = ("seconds", "sampling_seconds", "pairs", "steps", "answers", "tokens", "prompts")
    return {
        f"{unit}_per_second": spread([rate(turn, unit) for turn in turns]),
        "seconds": spread([turn["seconds"] for turn in turns]),
        "turns": [{name: turn[name] for name in kept if name in turn} for turn in turns],
    }


def compared(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]], unit: str) -> dict[str, float]:
    """How many times as fast, round by round: what else the machine did in a round falls on both."""
    return spread([rate(mine, unit) / rate(other, unit) for mine, other in zip(ours, theirs, strict=True)])
