"""combine_scores: the shards of a run come together, raw scores are calibrated over the run, MAS is made.

The numbers of all candidates are in memory, their texts and tokens are not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.candidates.alignment_score.calibration import calibrate
from groundtune.candidates.mas import alignment_scores, read_sentence_scores, worst_sentences
from groundtune.canonical_rows import digest_batches
from groundtune.digests import digest_of
from groundtune.errors import ArtifactError
from groundtune.progress import say
from groundtune.records import CANDIDATES, SCORES
from groundtune.row_streams import chunks
from groundtune.settings import AlignmentScoreSettings
from groundtune.tracking.ledger import noted

STAGE = "combine_scores"
ANSWERS_PER_PART = 4096
Indices = NDArray[np.int64]
Source = Callable[[Sequence[str]], Iterable[pa.RecordBatch]]  # the named columns of all rows, as often as asked
CARRIED = ("prompt_id", "candidate_id", "text", "token_ids", "multiplicity", "finished")  # from the candidates
BELIEF = ("candidate_id", "confidence", "pool_entropy")


@noted(STAGE)
def run(
    candidates: Sequence[str | Path],
    alignment: Sequence[str | Path],
    confidence: Sequence[str | Path],
    out: str | Path,
    settings: AlignmentScoreSettings | Mapping[str, Any],
) -> Artifact:
    """One row a candidate with MAS, each scorer's calibrated value, confidence and pool entropy.

    The three lists hold the shards in any order. A candidate that lacks a score of any weighted scorer or its
    confidence is rejected: a missing score is not a zero.
    """
    settings = AlignmentScoreSettings.of(settings, STAGE)
    pools = read_shards(candidates, "candidates")
    raw = read_shards(alignment, "alignment")
    beliefs = read_shards(confidence, "confidence")
    parents = {
        "candidates": joined_digest(pools),
        "alignment": joined_digest(raw),
        "confidence": joined_digest(beliefs),
    }
    answers = sum(len(shard) for shard in pools)
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "scores", settings.to_mapping(), parents)
        parts = combine(_source(pools), _source(raw), _source(beliefs), settings)
        for number, (rows, rejected) in enumerate(parts):
            writer.write_part(number, rows, rejected)
        artifact = writer.finish(
            answers, results=lambda made: {"candidates": len(made), "mean_mas": _mean(made, "mas")}
        )
        say(STAGE, f"{answers:,} candidates -> {len(artifact):,} with MAS and confidence")
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


def combine(
    candidates: Source, alignment: Source, confidence: Source, settings: AlignmentScoreSettings
) -> Iterator[tuple[pa.Table, list[Row]]]:
    """(scores, rejected rows) of every ANSWERS_PER_PART candidates, in their order; at least once, empty or not."""
    weights = {name: weight for name, weight in settings.scorer_weights.items() if weight > 0}
    raw = read_sentence_scores(alignment(["candidate_id", "scorer", "sentence_scores"]), weights)
    scores = {name: replace(one, scores=calibrate(name, one.scores, settings.calibration)) for name, one in raw.items()}
    beliefs = _table(confidence, BELIEF, SCORES)
    ids = _table(candidates, ["candidate_id"], SCORES)["candidate_id"]
    scored = {name: _places(ids, one.ids, f"alignment ({name})") for name, one in scores.items()}
    believed = _places(ids, beliefs["candidate_id"], "confidence")
    kept = np.flatnonzero(np.all([believed >= 0, *(places >= 0 for places in scored.values())], axis=0))
    made = alignment_scores(
        scores, {name: places[kept] for name, places in scored.items()}, weights, settings.sentence_min_weight
    )
    starts = range(0, max(len(ids), 1), ANSWERS_PER_PART)
    ends = np.searchsorted(kept, [start + ANSWERS_PER_PART for start in starts]).tolist()
    first = next(iter(weights))
    spoken = worst_sentences(alignment(["sentences"]), scores[first].rows[scored[first][kept]], made.worst, ends)
    answers = chunks(candidates(CARRIED), pa.schema([CANDIDATES.field(name) for name in CARRIED]), ANSWERS_PER_PART)
    for start, rows, end, sentences in zip(starts, answers, ends, spoken, strict=True):
        part = slice(end - len(sentences), end)
        here = kept[part]
        columns = rows.take(here - start)
        belief = beliefs.take(believed[here])
        table = {
            **{name: columns[name] for name in CARRIED},
            "mas": made.mas[part].astype(np.float32),
            "scorers": _by_name({name: values[part] for name, values in made.scorers.items()}),
            "worst_sentence": sentences["sentence"],
            "confidence": belief["confidence"],
            "pool_entropy": belief["pool_entropy"],
        }
        lost = np.setdiff1d(np.arange(start, start + len(rows)), here).tolist()
        rejected = [_rejected(ids[i].as_py(), [name for name in weights if scored[name][i] < 0]) for i in lost]
        yield pa.table({name: table[name] for name in SCORES.names}, schema=SCORES), rejected


def _rejected(identity: str, missing: list[str]) -> Row:
    if missing:
        detail = f'id="{identity}": no {", ".join(missing)} score (see the rejected rows of score_alignment)'
        return reject(identity, "no_alignment", detail)
    detail = f'id="{identity}": no confidence (see the rejected rows of score_confidence)'
    return reject(identity, "no_confidence", detail)


def _places(ids: pa.ChunkedArray, names: pa.Array, what: str) -> Indices:
    """[N] where each id stands among `names`, -1 when it does not. Raises ArtifactError when a name is there twice."""
    counts = pc.value_counts(names)
    doubled = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(doubled):
        raise ArtifactError(f'{what}: {len(doubled)} candidates are scored twice, e.g. "{doubled[0]}"')
    return pc.fill_null(pc.index_in(ids, names), -1).to_numpy().astype(np.int64)


def _by_name(values: Mapping[str, NDArray[np.float64]]) -> pa.Array:
    """A map name -> float32 a row."""
    rows = np.stack(list(values.values()), axis=1).astype(np.float32)
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * len(values))
    return pa.MapArray.from_arrays(offsets, pa.array(list(values) * len(rows), pa.string()), pa.array(rows.reshape(-1)))


def _source(shards: list[Artifact]) -> Source:
    return lambda columns: (batch for shard in shards for batch in shard.batches(columns))


def _table(source: Source, columns: Sequence[str], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(source(columns), pa.schema([schema.field(name) for name in columns])).combine_chunks()


def read_shards(paths: Sequence[str | Path], kind: str) -> list[Artifact]:
    """All shards of one artifact, in shard order. Raises ArtifactError when one is missing or doubled."""
    shards = sorted((read_artifact(path, kind) for path in paths), key=lambda shard: shard.manifest["shard"])
    found = [tuple(shard.manifest["shard"]) for shard in shards]
    expected = [(index, len(shards)) for index in range(len(shards))]
    if found != expected:
        named = [f"{index}/{count}" for index, count in found]
        whole = max((count for _, count in found), default=1)
        missing = [name for name in (f"{index}/{whole}" for index in range(whole)) if name not in named]
        problem = f"{', '.join(missing)} missing" if missing else "expected each of one pass once"
        raise ArtifactError(f"{kind}: shards {', '.join(named) or 'none'} given, {problem}")
    return shards


def joined_digest(shards: list[Artifact]) -> str:
    """Identity of the whole, however it was cut into shards: its rows, its settings, and the models behind it."""
    models = {name: d for name, d in shards[0].manifest["parents"].items() if name not in ("prompts", "candidates")}
    if len(shards) == 1:
        rows = shards[0].manifest["content_digest"]
    else:
        rows = digest_batches(batch for shard in shards for batch in shard.batches())
    return digest_of([shards[0].settings, models, rows])


def _mean(artifact: Artifact, column: str) -> float:
    return sum(artifact.values(column)) / max(len(artifact), 1)
