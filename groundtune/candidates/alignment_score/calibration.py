"""Raw scores of one scorer, over a whole run, to [0, 1] (ours; docs/methods.md).

What is fitted on a run's scores also reads scores that come later: simulated RLHF rewards new answers on the scale of
the pool.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Calibration = Callable[[Floats], Floats]  # raw [N] -> [N] in [0, 1], monotone


@dataclass(frozen=True)
class LogisticCalibration:
    """logistic((raw - middle) / scale)."""

    middle: float = 0.0
    scale: float = 1.0

    def __call__(self, raw: Floats) -> Floats:
        return np.exp(-np.logaddexp(0.0, -((raw - self.middle) / self.scale)))


@dataclass(frozen=True)
class RankCalibration:
    """(rank - 1/2) / N among the N scores of the run, ties share their mean rank; a score that the run did not have
    lies between its neighbours. fitted: [N], sorted."""

    fitted: Floats

    def __call__(self, raw: Floats) -> Floats:
        below, up_to = (np.searchsorted(self.fitted, raw, side) for side in ("left", "right"))
        share: Floats = (below + up_to) / 2 / self.fitted.size
        return share


def fit(scorer: str, raw: Floats, method: str) -> Calibration:
    """The calibration of a run. raw: [N] sentence scores of one scorer over the run, at least one.

    rank: see RankCalibration. logistic: `claims` are log-odds already and go through the logistic as they are;
    `contrastive` logits have no natural zero, so the run's median maps to 1/2 and its quartiles to 1/4 and 3/4.
    Constant scores map to 1/2: they say nothing.
    """
    if method == "rank":
        return RankCalibration(np.sort(raw))
    if scorer == "claims":
        return LogisticCalibration()
    low, middle, high = np.quantile(raw, [0.25, 0.5, 0.75])
    scale = (high - low) / (2 * np.log(3))
    if scale <= 0:  # more than half of the scores are equal: fall back on their spread
        scale = float(np.std(raw)) or 1.0
    return LogisticCalibration(float(middle), float(scale))


def calibrate(scorer: str, raw: Floats, method: str) -> Floats:
    """The scores of a run [N], calibrated on themselves: [N] in [0, 1]. See `fit`."""
    return raw if raw.size == 0 else fit(scorer, raw, method)(raw)
