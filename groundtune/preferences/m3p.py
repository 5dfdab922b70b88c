"""The M3P-Score: one score, two uses. Pure functions over one pool (M3PO step 3; the formula is ours, METHODS.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """Indices into the pool, and the numbers that led to them."""

    chosen: int
    rejected: int
    chosen_m3p: float
    rejected_m3p: float
    gap: float
    hardness: float


def scale_confidence(confidence: Floats, method: str) -> Floats:
    """c~: mean token log-probs [K], nats, to [0, 1] inside the pool, so that MAS does not drown in them.

    rank: (rank - 1/2) / K, ties share their mean rank. softmax: exp(c - max c), the likelihood ratio to the pool's
    most believed answer. Both rise with c and do not depend on the order of the pool.
    """
    if method == "softmax":
        return np.exp(confidence - confidence.max())
    below = (confidence[:, None] > confidence[None, :]).sum(1)
    equal = (confidence[:, None] == confidence[None, :]).sum(1)
    return (below + (equal - 1) / 2 + 0.5) / confidence.size


def preferred_score(mas: Floats, scaled: Floats, lambda_: float) -> Floats:
    """M3P+(y) = MAS~(y) + lambda * c~(y): the best answer that the model can also say. All [K]."""
    return mas + lambda_ * scaled


def dispreferred_score(mas: Floats, scaled: Floats, mu: float) -> Floats:
    """M3P-(y) = mu * c~(y) - (1 - mu) * MAS~(y): wrong and believed. All [K]."""
    return mu * scaled - (1 - mu) * mas


def choose(
    mas: Floats, scaled: Floats, names: list[str], *, lambda_: float, mu: float, margin: float, pairs: int
) -> list[Choice]:
    """The pairs of one pool, hardest first: y_w = argmax M3P+, y_l = argmax M3P- among MAS(y_w) - MAS(y_l) >= margin.

    mas: [K] calibrated MAS. scaled: [K] c~. names: [K] unique ids, which settle ties whatever the pool's order.
    Empty when no answer is eligible. The chosen answer never meets itself, even at margin 0.
    """
    plus, minus = preferred_score(mas, scaled, lambda_), dispreferred_score(mas, scaled, mu)
    indices = range(len(names))
    best = min(indices, key=lambda i: (-plus[i], names[i]))
    eligible = [i for i in indices if i != best and mas[best] - mas[i] >= margin]
    eligible.sort(key=lambda i: (-minus[i], names[i]))
    return [
        Choice(
            chosen=best,
            rejected=i,
            chosen_m3p=float(plus[best]),
            rejected_m3p=float(minus[i]),
            gap=float(mas[best] - mas[i]),
            hardness=float(mas[best] - mas[i] + mu * scaled[i]),
        )
        for i in eligible[:pairs]
    ]
