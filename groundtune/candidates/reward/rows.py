"""From raw rewards to rows of the scores artifact: on [0, 1], as one more scorer, nothing else changed."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundtune.artifact_writing import reject
from groundtune.artifacts import Row
from groundtune.candidates.alignment_score.calibration import calibrate
from groundtune.candidates.reward.labels import Floats, Indices
from groundtune.records import SCORES
from groundtune.row_streams import chunks

NAME = "reward"  # the scorer
ANSWERS_PER_PART = 4096


def calibrated(raw: Floats, prompt: Indices) -> Floats:
    """raw: [N] rewards, NaN where there is none; prompt: [N] number of the pool. Returns [N] in [0, 1], NaN as before.

    Bradley-Terry knows the rewards of a prompt up to a constant, so each pool's mean is taken away first: what is left
    is comparable over the run, and a difference in a pool is no smaller for the differences between prompts.
    """
    known = np.isfinite(raw)
    sums = np.bincount(prompt, weights=np.where(known, raw, 0.0))
    counts = np.bincount(prompt, weights=known)
    centred = raw - (sums / np.maximum(counts, 1))[prompt]
    found = np.full(raw.shape, np.nan)
    found[known] = calibrate(NAME, centred[known], "logistic")
    return found


def with_reward(
    batches: Iterable[pa.RecordBatch], ids: list[str], rewards: Floats, problems: Mapping[str, list[str]]
) -> Iterator[tuple[pa.Table, list[Row]]]:
    """(rows, rejected rows) of every ANSWERS_PER_PART rows of a scores artifact, in their order.

    ids, rewards: of all its candidates, in any order. problems: candidate id -> [field, problem], of those without.
    """
    names = pa.array(ids, pa.string())
    for rows in chunks(batches, SCORES, ANSWERS_PER_PART):
        found = rewards[pc.index_in(rows["candidate_id"], names).to_numpy()]
        kept = np.isfinite(found)
        lost = rows["candidate_id"].filter(pa.array(~kept)).to_pylist()
        left = rows.filter(pa.array(kept))
        scorers = [
            [*others, (NAME, float(reward))]
            for others, reward in zip(left["scorers"].to_pylist(), found[kept], strict=True)
        ]
        place = SCORES.get_field_index("scorers")
        column = pa.array(scorers, SCORES.field("scorers").type)
        yield left.set_column(place, SCORES.field("scorers"), column), [reject(name, *problems[name]) for name in lost]
