"""score_alignment: every scorer reads every candidate of a shard, sentence by sentence. Raw numbers only; they are
calibrated over the whole run by combine_scores."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, parse_shard, parts_of, read_artifact
from groundtune.candidates.alignment_score.scorer import ImageClaims, Scorer
from groundtune.candidates.pools import Pool, read_pools
from groundtune.candidates.sentences import split_sentences
from groundtune.errors import RecordError, SettingError
from groundtune.images import ImageStore
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import AlignmentScoreSettings
from groundtune.tracking.ledger import noted

STAGE = "score_alignment"


@noted(STAGE)
def run(
    prompts: str | Path,
    candidates: str | Path,
    images_root: str,
    scorers: dict[str, str],
    out: str | Path,
    settings: AlignmentScoreSettings | Mapping[str, Any],
    *,
    shard: str = "0/1",
) -> Artifact:
    """One row a candidate and scorer. scorers: name -> checkpoint folder or prefix, for each weighted scorer.

    A candidate without a sentence, or with a score that is not finite, is rejected with a reason for that scorer.
    """
    settings = AlignmentScoreSettings.of(settings, STAGE)
    index, count = parse_shard(shard)
    source, answers = read_artifact(prompts, "prompts"), read_artifact(candidates, "candidates")
    pools = read_pools(source, answers)
    loaded = load_scorers(scorers, settings)
    parents = {"candidates": answers.digest, **{f"scorer.{scorer.name}": scorer.digest for scorer in loaded}}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(Path(out), "alignment", settings.to_mapping(), parents, shard=(index, count))
        store = ImageStore(images_root, attached=source.files)
        progress = Progress(shard_label(STAGE, index, count), len(pools), "prompts")
        for number, part in parts_of(pools, settings.prompts_per_part):
            if writer.has_part(number):
                progress.skip(len(part))
                continue
            rows: list[Row] = []
            rejected: list[Row] = []
            for _, batch in parts_of(part, settings.images_per_batch):
                _score(batch, loaded, store, rows, rejected)
                progress.add(len(batch))
            writer.write_part(number, rows, rejected)
        artifact = writer.finish(
            len(answers) * len(loaded),
            results=lambda made: {"candidates": len(answers), "scores": len(made), "prompts_per_second": progress.rate},
        )
        say(
            progress.stage,
            f"{len(answers):,} candidates x {', '.join(s.name for s in loaded)} -> {len(artifact):,} scores",
        )
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


def load_scorers(checkpoints: dict[str, str], settings: AlignmentScoreSettings) -> list[Scorer]:
    """The scorers whose weight is above 0. A weighted scorer without a checkpoint is an error, never a silent zero."""
    from groundtune.candidates.alignment_score.claims import ClaimsScorer
    from groundtune.candidates.alignment_score.contrastive import ContrastiveScorer

    loaded: list[Scorer] = []
    for name in settings.weighted:
        if not checkpoints.get(name):
            raise SettingError(f"scorers.{name}", checkpoints.get(name), "a checkpoint folder: its weight is above 0")
        folder = storage.local_folder(checkpoints[name])
        if name == "contrastive":
            loaded.append(ContrastiveScorer(folder, settings.sentence_template))
        else:
            loaded.append(ClaimsScorer(folder, settings.claim_template))
    return loaded


def _score(batch: list[Pool], scorers: list[Scorer], store: ImageStore, rows: list[Row], rejected: list[Row]) -> None:
    claims: list[ImageClaims] = []
    pools: list[tuple[Pool, dict[str, list[str]]]] = []
    for pool in batch:
        sentences = {row["candidate_id"]: split_sentences(row["text"]) for row in pool.candidates}
        distinct = list(dict.fromkeys(sentence for some in sentences.values() for sentence in some))
        try:
            image = store.open(pool.prompt["id"], pool.prompt["image"], pool.prompt["image_sha256"])
        except RecordError as error:
            rejected += [
                reject(row["candidate_id"], error.field, str(error)) for row in pool.candidates for _ in scorers
            ]
            continue
        pools.append((pool, sentences))
        claims.append(ImageClaims(pool.prompt, image, distinct))
    spoken = [claim for claim in claims if claim.sentences]
    for scorer in scorers:
        found = {
            claim.prompt["id"]: dict(zip(claim.sentences, scores, strict=True))
            for claim, scores in zip(spoken, scorer.score(spoken), strict=True)
        }
        for pool, sentences in pools:
            for row in pool.candidates:
                own = sentences[row["candidate_id"]]
                scores = [found[pool.prompt["id"]][sentence] for sentence in own]
                problem = _problem(scores)
                if problem:
                    refusal = RecordError(row["candidate_id"], f"alignment ({scorer.name})", problem)
                    rejected.append(reject(refusal.record_id, "alignment", str(refusal)))
                    continue
                rows.append(
                    {
                        "prompt_id": row["prompt_id"],
                        "candidate_id": row["candidate_id"],
                        "sentences": own,
                        "scorer": scorer.name,
                        "sentence_scores": scores,
                        "raw_mean": math.fsum(scores) / len(scores),
                        "raw_min": min(scores),
                    }
                )


def _problem(scores: list[float]) -> str:
    if not scores:
        return "the answer holds no sentence"
    if not all(math.isfinite(score) for score in scores):
        return f"a score is not finite: {scores}"
    return ""
