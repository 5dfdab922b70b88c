"""score_corrupted: the reference log-prob of every chosen answer given its corrupted image (MFPO's third branch).

With the confidence pass, which holds the other two branches, the reference of training is complete: no reference model
is kept or run there.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, parts_of, read_artifact
from groundtune.candidates.confidence import reference_key
from groundtune.errors import ArtifactError, RecordError
from groundtune.images import ImageStore
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import ConfidenceSettings
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import encode_prefix

STAGE = "score_corrupted"


def run(
    prompts: str | Path,
    pairs: str | Path,
    image_pairs: str | Path,
    model: str,
    out: str | Path,
    settings: ConfidenceSettings | Mapping[str, Any],
) -> Artifact:
    """One row an image pair: token log-probs of the chosen answer under the corrupted image, float32, nats.

    image_pairs: a shard. A pair whose log-probs are not finite is rejected with a reason.
    """
    settings = ConfidenceSettings.of(settings, STAGE)
    source, corrupted = read_artifact(prompts, "prompts"), read_artifact(image_pairs, "image_pairs")
    chosen = {row["pair_id"]: row["chosen_tokens"] for row in read_artifact(pairs, "pairs").rows()}
    instructions = {row["id"]: row["instruction"] for row in source.rows()}
    rows = list(corrupted.rows())
    if unknown := [row["pair_id"] for row in rows if row["pair_id"] not in chosen]:
        raise ArtifactError(f"{corrupted.path}: pair {unknown[0]!r} is not in {pairs}")
    vlm = load_vlm(storage.local_folder(model))
    parents = {"image_pairs": corrupted.digest, "model": vlm.digest, "adapter": vlm.adapter_digest}
    index, count = corrupted.manifest["shard"]
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(Path(out), "image_reference", settings.to_mapping(), parents, shard=(index, count))
        store = ImageStore("", attached=corrupted.files)
        progress = Progress(shard_label(STAGE, index, count), len(rows), "pairs")
        for number, part in parts_of(rows, settings.prompts_per_part):
            if not writer.has_part(number):
                answers = [chosen[row["pair_id"]] for row in part]
                writer.write_part(number, *_score(vlm, part, answers, instructions, store, settings))
                progress.add(len(part))
            else:
                progress.skip(len(part))
        artifact = writer.finish(
            len(rows), results=lambda made: {"pairs": len(made), "pairs_per_second": progress.rate}
        )
        say(progress.stage, f"{len(artifact):,} chosen answers read under their corrupted images")
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


@torch.inference_mode()
def _score(
    vlm: Vlm,
    pairs: list[Row],
    answers: list[list[int]],
    instructions: dict[str, str],
    store: ImageStore,
    settings: ConfidenceSettings,
) -> tuple[list[Row], list[Row]]:
    rows: list[Row] = []
    rejected: list[Row] = []
    prefixes, branches, readable = [], [], []
    for pair, answer in zip(pairs, answers, strict=True):
        try:
            image = store.open(pair["pair_id"], pair["corrupted"], pair["corrupted_sha256"])
            prefixes.append(encode_prefix(vlm, pair["prompt_id"], instructions[pair["prompt_id"]], image))
        except RecordError as error:
            rejected.append(reject(pair["pair_id"], error.field, str(error)))
            continue
        branches.append([answer])
        readable.append(pair)
    scored = branch_logprobs(vlm, prefixes, branches, token_budget=settings.token_budget)
    key = reference_key(vlm.digest, vlm.adapter_digest, str(vlm.dtype))
    for pair, (logprobs,) in zip(readable, scored, strict=True):
        values = logprobs.tolist()
        if not all(math.isfinite(value) for value in values):
            refusal = RecordError(pair["pair_id"], "log-probs", "under the corrupted image are not finite")
            rejected.append(reject(pair["pair_id"], "not_finite", str(refusal)))
            continue
        rows.append(
            {
                "pair_id": pair["pair_id"],
                "token_logprobs": values,
                "logprob_sum": math.fsum(values),
                "reference_key": key,
            }
        )
    return rows, rejected
