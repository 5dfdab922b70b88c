"""combine_scores: the shards of a run come together, raw scores are calibrated over the run, MAS is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.candidates.alignment_score.calibration import calibrate
from groundtune.digests import digest_of, digest_rows
from groundtune.errors import ArtifactError
from groundtune.progress import say
from groundtune.settings import AlignmentScoreSettings

STAGE = "combine_scores"


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
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "scores", settings.to_mapping(), parents)
        answers = [row for shard in pools for row in shard.rows()]
        rows, rejected = combine(
            answers,
            [row for shard in raw for row in shard.rows()],
            {row["candidate_id"]: row for shard in beliefs for row in shard.rows()},
            settings,
        )
        writer.write_part(0, rows, rejected)
        artifact = writer.finish(
            len(answers), results=lambda made: {"candidates": len(made), "mean_mas": _mean(made, "mas")}
        )
        say(STAGE, f"{len(answers):,} candidates -> {len(artifact):,} with MAS and confidence")
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


def combine(
    answers: list[Row], raw: list[Row], beliefs: dict[str, Row], settings: AlignmentScoreSettings
) -> tuple[list[Row], list[Row]]:
    """MAS = weighted mean over scorers of (1 - w) * mean + w * min over sentences of the calibrated scores (ours)."""
    weights = {name: weight for name, weight in settings.scorer_weights.items() if weight > 0}
    calibrated: dict[str, dict[str, tuple[Row, list[float]]]] = {}
    for name in weights:
        rows = [row for row in raw if row["scorer"] == name]
        flat = np.array([score for row in rows for score in row["sentence_scores"]], dtype=np.float64)
        values = calibrate(name, flat, settings.calibration).tolist()
        position = 0
        calibrated[name] = {}
        for row in rows:
            count = len(row["sentence_scores"])
            calibrated[name][row["candidate_id"]] = (row, values[position : position + count])
            position += count
    kept: list[Row] = []
    rejected: list[Row] = []
    for answer in answers:
        identity = answer["candidate_id"]
        missing = [name for name in weights if identity not in calibrated[name]]
        if missing:
            detail = f'id="{identity}": no {", ".join(missing)} score (see the rejected rows of score_alignment)'
            rejected.append(reject(identity, "no_alignment", detail))
        elif identity not in beliefs:
            detail = f'id="{identity}": no confidence (see the rejected rows of score_confidence)'
            rejected.append(reject(identity, "no_confidence", detail))
        else:
            scored = {name: calibrated[name][identity] for name in weights}
            kept.append(_row(answer, scored, weights, beliefs[identity], settings.sentence_min_weight))
    return kept, rejected


def _row(
    answer: Row, scored: dict[str, tuple[Row, list[float]]], weights: dict[str, float], belief: Row, min_weight: float
) -> Row:
    total = sum(weights.values())
    scorers = {
        name: (1 - min_weight) * float(np.mean(values)) + min_weight * min(values)
        for name, (_, values) in scored.items()
    }
    sentences = next(iter(scored.values()))[0]["sentences"]
    per_sentence = [
        sum(weights[name] * values[i] for name, (_, values) in scored.items()) / total for i in range(len(sentences))
    ]
    return {
        "prompt_id": answer["prompt_id"],
        "candidate_id": answer["candidate_id"],
        "text": answer["text"],
        "token_ids": answer["token_ids"],
        "multiplicity": answer["multiplicity"],
        "finished": answer["finished"],
        "mas": sum(weights[name] * value for name, value in scorers.items()) / total,
        "scorers": scorers,
        "worst_sentence": sentences[int(np.argmin(per_sentence))],
        "confidence": belief["confidence"],
        "pool_entropy": belief["pool_entropy"],
    }


def read_shards(paths: Sequence[str | Path], kind: str) -> list[Artifact]:
    """All shards of one artifact, in shard order. Raises ArtifactError when one is missing or doubled."""
    shards = sorted((read_artifact(path, kind) for path in paths), key=lambda shard: shard.manifest["shard"])
    found = [tuple(shard.manifest["shard"]) for shard in shards]
    expected = [(index, len(shards)) for index in range(len(shards))]
    if found != expected:
        raise ArtifactError(f"{kind}: shards {found}, expected {expected}")
    return shards


def joined_digest(shards: list[Artifact]) -> str:
    """Identity of the whole, however it was cut into shards: its rows, its settings, and the models behind it."""
    models = {name: d for name, d in shards[0].manifest["parents"].items() if name not in ("prompts", "candidates")}
    rows = digest_rows(row for shard in shards for row in shard.rows())
    return digest_of([shards[0].settings, models, rows])


def _mean(artifact: Artifact, column: str) -> float:
    return sum(row[column] for row in artifact.rows()) / max(len(artifact), 1)
