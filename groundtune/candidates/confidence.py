"""score_confidence: the model's own belief in each candidate (M3PO step 2), by one named engine.

The pass runs once: its token log-probs are the reference of DPO as well (`training.reference`).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, parse_shard, parts_of, read_artifact
from groundtune.candidates.entropy import claim_entropy, pool_entropy
from groundtune.candidates.meaning import claims_of, clusters_of
from groundtune.candidates.pools import Pool, read_pools
from groundtune.candidates.readable import readable_pools
from groundtune.candidates.reference_key import Answer, kept_parts, pass_parts, reference_key
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.output_probe import check_places, check_room_for, finished
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import ConfidenceSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.loader import Vlm, load_vlm

STAGE = "score_confidence"
ROW_BYTES = 512  # of a row without its tokens, generously


@noted(STAGE)
def run(
    prompts: str | Path,
    candidates: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: ConfidenceSettings | Mapping[str, Any],
    *,
    adapter: str = "",
    shard: str = "0/1",
) -> Artifact:
    """Log-prob of every token of every candidate under the model that wrote it: float32, nats, temperature 1.

    candidates: the shard to score; its prompts are looked up in `prompts`. A candidate whose log-probs are not finite
    is rejected with a reason. Raises StorageError before the model is loaded when `out` cannot be written, and before
    the pass when it has no room. What is whole at `out` already, by the same work, is not done again.
    """
    settings = ConfidenceSettings.of(settings, STAGE)
    index, count = parse_shard(shard)
    source, pool_rows = read_artifact(prompts, "prompts"), read_artifact(candidates, "candidates")
    pools = read_pools(source, pool_rows)
    check_places(out)
    vlm = load_vlm(storage.local_folder(model), adapter=storage.local_folder(adapter) if adapter else None)
    vlm.features = open_features(vlm, settings.feature_cache)
    parents = {
        "prompts": source.digest,
        "candidates": pool_rows.digest,
        "model": vlm.digest,
        "adapter": vlm.adapter_digest,
    }
    kept = kept_parts(pass_parts(vlm))
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(
            Path(out), "confidence", settings.to_mapping(), parents, shard=(index, count), extra=kept
        )
        artifact = finished(writer, STAGE)
        if artifact is None:
            check_room_for(writer, parts_of(pools, settings.prompts_per_part), _pool_bytes)
            artifact = _pass(vlm, pools, len(pool_rows), writer, source, images_root, settings)
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


def _pool_bytes(pool: Pool) -> int:
    return sum(row_bytes(row["token_ids"]) for row in pool.candidates)


def row_bytes(answer: Sequence[int]) -> int:
    """Room that the log-probs of one answer (token ids) take at most."""
    return ROW_BYTES + 4 * len(answer)


def _pass(
    vlm: Vlm,
    pools: list[Pool],
    rows_in: int,
    writer: ArtifactWriter,
    prompts: Artifact,
    images_root: str,
    settings: ConfidenceSettings,
) -> Artifact:
    store = ImageStore(images_root, attached=prompts.files)
    progress = Progress(shard_label(STAGE, *writer.shard), len(pools), "prompts")
    for number, part in parts_of(pools, settings.prompts_per_part):
        if writer.has_part(number):
            progress.skip(len(part))
            continue
        rows, rejected = _score(vlm, part, store, settings)
        writer.write_part(number, rows, rejected)
        progress.add(len(part))
    artifact = writer.finish(
        rows_in,
        results=lambda made: {
            "candidates": len(made),
            "mean_confidence": sum(row["confidence"] for row in made.rows()) / max(len(made), 1),
            "prompts_per_second": progress.rate,
        },
    )
    say(progress.stage, f"{len(artifact):,} candidates, mean {artifact.results['mean_confidence']:.3f} nats a token")
    return artifact


@torch.inference_mode()
def _score(
    vlm: Vlm, pools: list[Pool], store: ImageStore, settings: ConfidenceSettings
) -> tuple[list[Row], list[Row]]:
    readable, prefixes, unreadable = readable_pools(vlm, pools, store)
    rejected = [reject(name, error.field, str(error)) for name, error in unreadable.items()]
    branches = [[row["token_ids"] for row in pool.candidates] for pool in readable]
    scored = branch_logprobs(vlm, prefixes, branches, token_budget=settings.token_budget)
    parts = pass_parts(vlm)
    rows: list[Row] = []
    for pool, logprobs in zip(readable, scored, strict=True):
        good = []
        for candidate, values in zip(pool.candidates, logprobs, strict=True):
            tokens = values.tolist()
            if tokens and all(math.isfinite(value) for value in tokens):
                good.append((candidate, tokens))
            else:
                problem = f"log-probs are not finite or empty ({len(tokens)} tokens)"
                refusal = RecordError(candidate["candidate_id"], "confidence", problem)
                rejected.append(reject(refusal.record_id, "confidence", str(refusal)))
        if not good:
            continue
        entropy = _entropy(good, settings)
        rows += [_row(pool.prompt, candidate, tokens, entropy, parts) for candidate, tokens in good]
    return rows, rejected


def _entropy(scored: list[tuple[Row, list[float]]], settings: ConfidenceSettings) -> float | None:
    """Of the sampled answers; those that a user gave say nothing about the model. None: fewer than two were sampled."""
    sampled = [(row, math.fsum(tokens) / len(tokens)) for row, tokens in scored if row["multiplicity"]]
    if sum(row["multiplicity"] for row, _ in sampled) < 2:
        return None
    texts, confidences = [row["text"] for row, _ in sampled], [confidence for _, confidence in sampled]
    if settings.entropy_clusters == "claims":
        return claim_entropy(confidences, claims_of(texts, settings.meaning_threshold))
    clusters = clusters_of(texts, settings.meaning_threshold) if settings.entropy_clusters == "meaning" else None
    return pool_entropy(confidences, clusters)


def _row(prompt: Row, candidate: Row, tokens: list[float], entropy: float | None, parts: Mapping[str, str]) -> Row:
    answer = Answer(prompt["instruction"], candidate["token_ids"], prompt["image_sha256"])
    return {
        "prompt_id": candidate["prompt_id"],
        "candidate_id": candidate["candidate_id"],
        "token_logprobs": tokens,
        "logprob_sum": math.fsum(tokens),
        "confidence": math.fsum(tokens) / len(tokens),
        "pool_entropy": entropy,
        "image_sha256": answer.image_sha256,
        "reference_key": reference_key(parts, answer),
    }
