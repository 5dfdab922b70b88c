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
from groundtune.candidates.confidence import row_bytes
from groundtune.candidates.reference_key import Answer, kept_parts, pass_parts, reference_key
from groundtune.errors import ArtifactError, RecordError
from groundtune.images import ImageStore
from groundtune.output_probe import check_places, check_room_for, finished
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import ConfidenceSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.image_files import encode_file
from groundtune.vlm.loader import Vlm, load_vlm

STAGE = "score_corrupted"


@noted(STAGE)
def run(
    prompts: str | Path,
    pairs: str | Path,
    image_pairs: str | Path,
    model: str,
    out: str | Path,
    settings: ConfidenceSettings | Mapping[str, Any],
    *,
    adapter: str = "",
) -> Artifact:
    """One row an image pair: token log-probs of the chosen answer under the corrupted image, float32, nats.

    image_pairs: a shard. A pair whose log-probs are not finite is rejected with a reason. The folder is probed, and
    what is whole there is not done again, as by score_confidence.
    """
    settings = ConfidenceSettings.of(settings, STAGE)
    source, corrupted = read_artifact(prompts, "prompts"), read_artifact(image_pairs, "image_pairs")
    chosen = read_artifact(pairs, "pairs")
    asked = _asked(source, chosen, corrupted)
    check_places(out)
    vlm = load_vlm(storage.local_folder(model), adapter=storage.local_folder(adapter) if adapter else None)
    vlm.features = open_features(vlm, settings.feature_cache)
    parents = {
        "prompts": source.digest,
        "pairs": chosen.digest,
        "image_pairs": corrupted.digest,
        "model": vlm.digest,
        "adapter": vlm.adapter_digest,
    }
    index, count = corrupted.manifest["shard"]
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents, shard=(index, count)) as log:
        writer = ArtifactWriter(
            Path(out), "image_reference", settings.to_mapping(), parents, shard=(index, count),
            extra=kept_parts(pass_parts(vlm)),
        )  # fmt: skip
        artifact = finished(writer, STAGE)
        if artifact is None:
            check_room_for(writer, parts_of(asked, settings.prompts_per_part), lambda one: row_bytes(one[1].token_ids))
            artifact = _pass(vlm, asked, writer, ImageStore("", attached=corrupted.files), settings)
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        return artifact


Asked = tuple[Row, Answer]  # a row of image_pairs, and y_w of its pair under its corrupted image


def _asked(prompts: Artifact, pairs: Artifact, corrupted: Artifact) -> list[Asked]:
    chosen = {row["pair_id"]: row["chosen_tokens"] for row in pairs.rows()}
    instructions = {row["id"]: row["instruction"] for row in prompts.rows()}
    asked = []
    for row in corrupted.rows():
        if row["pair_id"] not in chosen:
            raise ArtifactError(f"{corrupted.path}: pair {row['pair_id']!r} is not in {pairs.path}")
        answer = Answer(instructions[row["prompt_id"]], chosen[row["pair_id"]], row["corrupted_sha256"])
        asked.append((row, answer))
    return asked


def _pass(
    vlm: Vlm, asked: list[Asked], writer: ArtifactWriter, store: ImageStore, settings: ConfidenceSettings
) -> Artifact:
    progress = Progress(shard_label(STAGE, *writer.shard), len(asked), "pairs")
    for number, part in parts_of(asked, settings.prompts_per_part):
        if writer.has_part(number):
            progress.skip(len(part))
            continue
        writer.write_part(number, *_score(vlm, part, store, settings))
        progress.add(len(part))
    artifact = writer.finish(
        len(asked), results=lambda made: {"pairs": len(made), "pairs_per_second": progress.rate}
    )
    say(progress.stage, f"{len(artifact):,} chosen answers read under their corrupted images")
    return artifact


@torch.inference_mode()
def _score(
    vlm: Vlm, asked: list[Asked], store: ImageStore, settings: ConfidenceSettings
) -> tuple[list[Row], list[Row]]:
    rows: list[Row] = []
    rejected: list[Row] = []
    prefixes, readable = [], []
    for pair, answer in asked:
        try:
            file = store.file(pair["pair_id"], pair["corrupted"], pair["corrupted_sha256"])
            prefixes.append(encode_file(vlm, pair["prompt_id"], answer.instruction, file))
            readable.append((pair["pair_id"], answer))
        except RecordError as error:
            rejected.append(reject(pair["pair_id"], error.field, str(error)))
    branches = [[answer.token_ids] for _, answer in readable]
    scored = branch_logprobs(vlm, prefixes, branches, token_budget=settings.token_budget)
    parts = pass_parts(vlm)
    for (pair_id, answer), (logprobs,) in zip(readable, scored, strict=True):
        values = logprobs.tolist()
        if not all(math.isfinite(value) for value in values):
            refusal = RecordError(pair_id, "log-probs", "under the corrupted image are not finite")
            rejected.append(reject(pair_id, "not_finite", str(refusal)))
            continue
        rows.append(
            {
                "pair_id": pair_id,
                "token_logprobs": values,
                "logprob_sum": math.fsum(values),
                "image_sha256": answer.image_sha256,
                "reference_key": reference_key(parts, answer),
            }
        )
    return rows, rejected
