"""What each method learnt from, and whether two of them learnt from as much."""

from collections.abc import Mapping, Sequence
from typing import Any

BUDGETS = ("pairs", "answer_tokens")  # what has to be equal
SPENT = (*BUDGETS, "steps", "seconds")  # what is shown


def budget_of(trainings: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Of one method, a number a seed, of what every seed's training reported. trainings: [S] results of its adapters'
    manifests."""
    found = {}
    for name in SPENT:
        values = [training.get(name) for training in trainings]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            found[name] = [float(value) for value in values if value is not None]
    return found


def unequal(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]], tolerance: float) -> list[str]:
    """The budgets of which two methods, in any seed, had more than `tolerance` less or more than the other."""
    return [
        name
        for name in BUDGETS
        if name in one
        and name in other
        and any(abs(a - b) > tolerance * max(a, b) for a, b in zip(one[name], other[name], strict=True))
    ]


def comparable(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> bool:
    """Did both report at least one budget that can be held against the other's?"""
    return any(name in one and name in other for name in BUDGETS)
