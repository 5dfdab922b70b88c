"""The M3P-Score: one score, two uses. Pure functions over pools (M3PO step 3; the formula is ours, docs/methods.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Choices:
    """The pairs of some pools, pool by pool and hardest first, and the numbers that led to them. All [N]."""

    pool: Indices  # number of the pool
    rank: Indices  # 0 is the hardest pair of its pool
    chosen: Indices  # index into the pool
    rejected: Indices
    chosen_m3p: Floats
    rejected_m3p: Floats
    hardness: Floats


def scale_confidence(confidence: Floats, method: str) -> Floats:
    """c~: mean token log-probs [..., K], nats, to [0, 1] inside each pool, so that MAS does not drown in them.

    rank: (rank - 1/2) / K, ties share their mean rank. softmax: exp(c - max c), the likelihood ratio to the pool's
    most believed answer. Both rise with c and do not depend on the order of the pool.
    """
    if method == "softmax":
        return np.exp(confidence - confidence.max(-1, keepdims=True))
    below = (confidence[..., :, None] > confidence[..., None, :]).sum(-1)
    equal = (confidence[..., :, None] == confidence[..., None, :]).sum(-1)
    return (below + (equal - 1) / 2 + 0.5) / confidence.shape[-1]


def preferred_score(mas: Floats, scaled: Floats, lambda_: float) -> Floats:
    """M3P+(y) = MAS~(y) + lambda * c~(y): the best answer that the model can also say. All [..., K]."""
    return mas + lambda_ * scaled


def dispreferred_score(mas: Floats, scaled: Floats, mu: float) -> Floats:
    """M3P-(y) = mu * c~(y) - (1 - mu) * MAS~(y): wrong and believed. All [..., K]."""
    return mu * scaled - (1 - mu) * mas


def agreed(scorers: Floats, share: float) -> NDArray[np.bool_]:
    """[P, K, K]: whether at least `share` of the scorers rank the first answer above the second. scorers: [S, P, K]."""
    above = scorers[..., :, None] > scorers[..., None, :]
    return above.sum(0) >= share * len(scorers)


def choose(
    mas: Floats,
    scaled: Floats,
    *,
    lambda_: float,
    mu: float,
    margin: float,
    pairs: int,
    votes: NDArray[np.bool_] | None = None,
) -> Choices:
    """At most `pairs` pairs of each pool: y_w = argmax M3P+, y_l = argmax M3P- among MAS(y_w) - MAS(y_l) >= margin.

    mas: [P, K] calibrated MAS. scaled: [P, K] c~. votes: [P, K, K], whether w may be preferred to l, None for always.
    Of equals the first one wins, so the answers of a pool come sorted by their ids. No pair where no answer is
    eligible. The chosen answer never meets itself, even at margin 0.
    """
    plus, minus = preferred_score(mas, scaled, lambda_), dispreferred_score(mas, scaled, mu)
    best = plus.argmax(1)[:, None]
    gap = np.take_along_axis(mas, best, 1) - mas
    eligible = gap >= margin
    if votes is not None:
        eligible &= np.take_along_axis(votes, best[..., None], 1)[:, 0]
    np.put_along_axis(eligible, best, False, 1)
    ranked = np.argsort(np.where(eligible, -minus, np.inf), axis=1, kind="stable")[:, :pairs]
    pool, rank = np.nonzero(np.take_along_axis(eligible, ranked, 1))
    chosen, rejected = best[pool, 0], ranked[pool, rank]
    return Choices(
        pool=pool,
        rank=rank,
        chosen=chosen,
        rejected=rejected,
        chosen_m3p=plus[pool, chosen],
        rejected_m3p=minus[pool, rejected],
        hardness=gap[pool, rejected] + mu * scaled[pool, rejected],
    )
