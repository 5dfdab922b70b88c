"""Raw scores of one scorer, over a whole run, to [0, 1] (ours; METHODS.md)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def calibrate(scorer: str, raw: Floats, method: str) -> Floats:
    """raw: [N] sentence scores of one scorer over the run. Returns [N] in [0, 1], monotone in raw.

    rank: (rank - 1/2) / N, ties share their mean rank. logistic: `claims` are log-odds already and go through the
    logistic as they are; `contrastive` logits have no natural zero, so the run's median maps to 1/2 and its quartiles
    to 1/4 and 3/4. Constant scores map to 1/2: they say nothing.
    """
    if raw.size == 0:
        return raw
    if method == "rank":
        return _ranks(raw)
    if scorer == "claims":
        return _logistic(raw)
    low, middle, high = np.quantile(raw, [0.25, 0.5, 0.75])
    scale = (high - low) / (2 * np.log(3))
    if scale <= 0:  # more than half of the scores are equal: fall back on their spread
        scale = float(np.std(raw)) or 1.0
    return _logistic((raw - middle) / scale)


def _logistic(value: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -value))


def _ranks(raw: Floats) -> Floats:
    values, inverse, counts = np.unique(raw, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts + 1) / 2 + 0.5  # mean of ranks 1..N within a tie, minus 1/2
    return (middle / raw.size)[inverse] if values.size > 1 else np.full(raw.shape, 0.5)
