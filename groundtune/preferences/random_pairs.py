"""Random pairs of a pool, the better answer first: the data of vanilla DPO (docs/methods.md)."""

import numpy as np
from numpy.typing import NDArray

from groundtune.preferences.m3p import Choices, Floats


def draw(
    score: Floats,
    scaled: Floats,
    generator: np.random.Generator,
    *,
    margin: float,
    pairs: int,
    votes: NDArray[np.bool_] | None = None,
) -> Choices:
    """At most `pairs` pairs of each pool, every eligible one as likely as any other.

    score, scaled: [P, K]. votes: [P, K, K], whether w may be preferred to l, None for always. Eligible: the first
    scores more than the second, by the margin at least. The M3P numbers of what was drawn are those of lambda = 0 and
    mu = 1/2, to be looked at; `hardness` is the gap.
    """
    pools, size = score.shape
    gap = score[:, :, None] - score[:, None, :]
    eligible = (gap >= margin) & (gap > 0)
    if votes is not None:
        eligible &= votes
    lots = np.where(eligible, generator.random(eligible.shape), np.inf).reshape(pools, -1)
    drawn = np.argsort(lots, axis=1)[:, :pairs]
    pool, rank = np.nonzero(np.take_along_axis(lots, drawn, 1) < np.inf)
    chosen, rejected = np.divmod(drawn[pool, rank], size)
    return Choices(
        pool=pool,
        rank=rank,
        chosen=chosen,
        rejected=rejected,
        chosen_m3p=score[pool, chosen],
        rejected_m3p=(scaled[pool, rejected] - score[pool, rejected]) / 2,
        hardness=gap[pool, chosen, rejected],
    )
