"""select_pairs: hard preference pairs by the M3P-Score, or the user's own; sorted into the stages of a curriculum.
No model; what is random follows from the seed.

The numbers of all candidates are in memory, their texts and tokens are not: a stream is read for those of the pairs.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, read_artifact
from groundtune.preferences.pairing import REASONS, Selected, select
from groundtune.preferences.score_columns import ScoreColumns, read_columns
from groundtune.progress import say
from groundtune.records import PAIRS, REJECTED, SCORES
from groundtune.row_streams import taken
from groundtune.settings import SelectionSettings
from groundtune.tracking.ledger import noted

STAGE = "select_pairs"
PAIRS_PER_PART = 4096
# What a pair takes from the rows of its two answers: column of the scores -> columns of the chosen and of the rejected.
SIDES = {
    "prompt_id": ("prompt_id", None),
    "candidate_id": ("chosen_id", "rejected_id"),
    "text": ("chosen", "rejected"),
    "token_ids": ("chosen_tokens", "rejected_tokens"),
    "mas": ("chosen_mas", "rejected_mas"),
    "confidence": ("chosen_confidence", "rejected_confidence"),
    "pool_entropy": ("pool_entropy", None),
    "worst_sentence": (None, "worst_sentence"),
}


@noted(STAGE)
def run(scores: str | Path, out: str | Path, settings: SelectionSettings | Mapping[str, Any]) -> Artifact:
    """Pairs of every pool, or a counted reason why there is none."""
    settings = SelectionSettings.of(settings, STAGE)
    source = read_artifact(scores, "scores")
    parents = {"scores": source.digest}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "pairs", settings.to_mapping(), parents)
        columns = read_columns(source, settings)
        prompts = len(columns.prompts)
        selected = select(columns, settings)
        for number, pairs in enumerate(pair_rows(source.batches(list(SIDES)), columns, selected)):
            writer.write_part(number, pairs, dropped_rows(selected) if number == 0 else None)
        artifact = writer.finish(
            prompts,
            unit="prompt_id",
            results=lambda made: {"prompts": prompts, "pairs": len(made), **_means(made)},
        )
        reasons = artifact.manifest["rejected_reasons"]
        dropped = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons.items())
        say(
            STAGE,
            f"{prompts:,} prompts -> {len(artifact):,} pairs (dropped: {dropped or 'none'})",
        )
        log.metrics({**artifact.results, **{f"dropped.{name}": count for name, count in reasons.items()}})
        log.tag("output.digest", artifact.digest)
        return artifact


def pair_rows(batches: Iterable[pa.RecordBatch], columns: ScoreColumns, selected: Selected) -> Iterator[pa.Table]:
    """Rows of the pairs artifact, sorted by prompt, PAIRS_PER_PART at a time; a single empty table when there is none.

    batches: the columns of SIDES of all candidates, in the order of the artifact that `columns` are of.
    """
    pairs, count = selected.pairs, len(selected.pairs)
    starts = range(0, max(count, 1), PAIRS_PER_PART)
    rows = columns.row[np.stack([pairs.chosen, pairs.rejected], axis=1)].reshape(-1)
    ends = [2 * min(start + PAIRS_PER_PART, count) for start in starts]
    schema = pa.schema([SCORES.field(name) for name in SIDES])
    for start, answers in zip(starts, taken(batches, schema, rows, ends), strict=True):
        part = slice(start, start + PAIRS_PER_PART)
        sides = [answers.take(np.arange(side, len(answers), 2)) for side in range(2)]
        made = {
            name: side[column]
            for column, names in SIDES.items()
            for side, name in zip(sides, names, strict=True)
            if name is not None
        }
        made |= {
            "pair_id": selected.pair_ids[part],
            "chosen_m3p": pairs.chosen_m3p[part].astype(np.float32),
            "rejected_m3p": pairs.rejected_m3p[part].astype(np.float32),
            "hardness": pairs.hardness[part].astype(np.float32),
            "curriculum_stage": selected.stages[part].astype(np.int32),
            "weight": np.ones(len(sides[0]), dtype=np.float32),
        }
        yield pa.table({name: made[name] for name in PAIRS.names}, schema=PAIRS)


def dropped_rows(selected: Selected) -> pa.Table:
    """Rows of rejected.parquet, sorted by prompt."""
    names, texts = pa.array(list(REASONS)), pa.array(list(REASONS.values()))
    explained = texts.take(pc.index_in(selected.reasons, names))
    detail = pc.binary_join_element_wise('id="', selected.dropped, '": ', explained, "")
    return pa.table({"id": selected.dropped, "reason": selected.reasons, "detail": detail}, schema=REJECTED)


def _means(pairs: Artifact) -> dict[str, float]:
    count = len(pairs)
    if not count:
        return {}
    gaps = zip(pairs.values("chosen_mas"), pairs.values("rejected_mas"), strict=True)
    return {
        "mean_gap": sum(chosen - rejected for chosen, rejected in gaps) / count,
        "mean_rejected_confidence": sum(pairs.values("rejected_confidence")) / count,
        "mean_chosen_confidence": sum(pairs.values("chosen_confidence")) / count,
    }
