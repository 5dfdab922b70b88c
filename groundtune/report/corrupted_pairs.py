"""The pairs of a run with their corrupted images, and what the base model thinks of the chosen answer under both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundtune.artifacts import Row
from groundtune.images import ImageStore
from groundtune.report.run_artifacts import RunArtifacts


@dataclass(frozen=True)
class CorruptedPair:
    """image: its row of image_pairs, without the mask. pair: its row of pairs. store: where the corrupted image is.

    clean, destroyed: summed log-prob of the chosen answer under the base model given the true and the corrupted image,
    nats; None when the pair has no tokens or confidence, or the image reference does not hold it.
    """

    image: Row
    pair: Row
    store: ImageStore
    clean: float | None
    destroyed: float | None

    @property
    def drop(self) -> float | None:
        """clean - destroyed, nats: how much the belief in the answer depends on what was destroyed."""
        return None if self.clean is None or self.destroyed is None else self.clean - self.destroyed


def corrupted_pairs(run: RunArtifacts, pairs: Sequence[Row]) -> list[CorruptedPair]:
    """In the order of the shards. An image whose pair is not among `pairs` is left out; the flow says when the
    artifacts are of other pairs."""
    known = {pair["pair_id"]: pair for pair in pairs}
    sums = {row["pair_id"]: row["logprob_sum"] for shard in run.image_reference for row in shard.rows()}
    found = []
    for shard in run.image_pairs:
        store = ImageStore("", attached=shard.files)
        for row in shard.rows():
            pair = known.get(row["pair_id"])
            if pair is not None:
                image: dict[str, Any] = {name: value for name, value in row.items() if name != "mask"}
                found.append(CorruptedPair(image, pair, store, _sum_of(pair), sums.get(row["pair_id"])))
    return found


def _sum_of(pair: Row) -> float | None:
    """Summed log-prob of the chosen answer, nats: its confidence is the mean over its tokens."""
    if pair["chosen_confidence"] is None or not pair["chosen_tokens"]:
        return None
    return float(pair["chosen_confidence"] * len(pair["chosen_tokens"]))


def drops_of(found: Sequence[CorruptedPair]) -> NDArray[np.float64]:
    """[N] float64 nats, of the pairs that have an image reference."""
    return np.array([one.drop for one in found if one.drop is not None], dtype=np.float64)
