"""Easy to hard: pairs in stages of equal size by the entropy of their prompt's pool (MFPO)."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundtune.errors import TooManyRejected


def stages_of(entropy: NDArray[np.floating], pair_ids: pa.Array, stages: int) -> NDArray[np.int64]:
    """The stage of every pair, 1 (lowest entropy, easiest) to `stages`. entropy: [N] nats. pair_ids: [N] strings.

    MFPO cuts in thirds; a model that answers the same way every time finds a prompt easy. Ties go by pair id. Sizes
    differ by at most one. With one stage the entropy is not looked at.
    """
    count = len(pair_ids)
    if stages == 1:
        return np.ones(count, dtype=np.int64)
    by_name = np.argsort(pc.sort_indices(pair_ids).to_numpy())
    ranking = np.lexsort((by_name, entropy))
    stage = np.empty(count, dtype=np.int64)
    stage[ranking] = 1 + np.arange(count) * stages // max(count, 1)
    return stage


def check_undefined(undefined: list[str], pools: int, limit: float) -> None:
    """Raises TooManyRejected when more than `limit` of the pools with a pair have no entropy. undefined: prompt ids."""
    if undefined and len(undefined) > limit * pools:
        raise TooManyRejected(
            f'{len(undefined)} of {pools} pools have no entropy, e.g. id="{undefined[0]}": fewer than two answers were '
            f"sampled. The limit is {limit:.1%} (selection.max_undefined_entropy); raise sampling.num_candidates to at "
            "least 2, or set selection.curriculum_stages to 1"
        )
