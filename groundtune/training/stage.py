"""train_dpo: pairs in, a standard PEFT adapter out. Restarts from its last checkpoint with the same result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundtune import storage, tracking
from groundtune.artifacts import read_artifact
from groundtune.candidates.combine import joined_digest, read_shards
from groundtune.folder_artifacts import FolderArtifact, FolderWriter
from groundtune.progress import say
from groundtune.settings import TrainingSettings
from groundtune.settings.parallel import ParallelSettings
from groundtune.tracking.ledger import noted
from groundtune.training import checkpoint, processes
from groundtune.training.finishing import checkpoint_folder, finish
from groundtune.training.lora import add_lora, go_on_with, lora_weights
from groundtune.training.pair_data import PairData, read_pair_data
from groundtune.training.pair_model import PairModel, shard
from groundtune.training.pair_trainer import STAGE, PairTrainer
from groundtune.training.reference_check import check_reference
from groundtune.training.resuming import last_checkpoint
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.loader import Vlm, load_vlm

LOG_FIELDS = (
    "step", "epoch", "loss", "dpo_loss", "anchor_loss", "reward_chosen", "reward_rejected", "reward_margin",
    "accuracy", "kl", "seconds", "tokens_per_second", "grad_norm", "learning_rate", "curriculum_stage",
)  # fmt: skip
IMAGE_FIELDS = ("image_loss", "reward_corrupted", "reward_image_gap")  # in the records of steps with image pairs
ADAPTIVE = "adaptive_weight"  # in the records of a training with adaptive weights


@noted(STAGE)
def run(
    prompts: str | Path,
    confidence: Sequence[str | Path],
    pairs: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: TrainingSettings | Mapping[str, Any],
    *,
    adapter: str = "",
    image_pairs: Sequence[str | Path] = (),
    image_reference: Sequence[str | Path] = (),
    parallel: ParallelSettings | None = None,
    about: Mapping[str, Any] | None = None,
) -> FolderArtifact | None:
    """Train LoRA on the pairs. `confidence` is the reference: the base model is never run again for it.

    adapter: a PEFT folder or s3:// prefix that wrote and scored the answers: it is trained on; "" for a new one.

    One of the processes that processes.join brought together, or a single one; None in all but the first of them.

    image_pairs, image_reference: all shards of the corrupted images and of the chosen answers' log-probs under them;
    with them the image term counts (MFPO), without them training is on text preferences alone (M3PO).
    about: further entries of the manifest's results, as the method of a comparison.
    out: adapter_model.safetensors + adapter_config.json as plain peft reads them, training_log.jsonl, manifest.json.
    """
    settings = TrainingSettings.of(settings, STAGE)
    parallel = parallel or ParallelSettings()
    together = processes.current()
    settings.microbatch_of(together.count)  # a step that cannot be shared out is refused before anything is read
    source = read_artifact(pairs, "pairs")
    sharded = parallel.sharding == "fsdp" and together.count > 1
    vlm = _load(model, adapter, together, sharded)
    parents = {"pairs": source.digest, "model": vlm.digest}
    if adapter:
        parents["adapter"] = vlm.adapter_digest
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        data = read_pair_data(
            vlm, prompts, pairs, confidence, images_root, settings, image_pairs, image_reference
        )
        if data.corrupted:
            parents["image_pairs"] = joined_digest(read_shards(image_pairs, "image_pairs"))
        writer = FolderWriter(Path(out), "adapter", settings.to_mapping(), parents)
        if adapter:
            go_on_with(vlm, settings)
        else:
            add_lora(vlm, settings)
        if settings.gradient_checkpointing:
            vlm.base.activation_checkpointing_enable({"use_reentrant": False})
        policy = shard(vlm, together) if sharded else PairModel(vlm)
        difference = check_reference(policy, data, settings)
        with_images = f", {len(data.corrupted.rows):,} with a corrupted image" if data.corrupted else ""
        budget = f"{len(data) / len(data.pairs):.1f} epochs for {settings.answer_tokens:,} answer tokens"
        passes = budget if settings.answer_tokens else f"{settings.epochs} epochs"
        stages = f" in {len(data.schedule.starts)} stages" if len(data.schedule.starts) > 1 else ""
        spread = f"; {together.count} processes ({parallel.sharding})" if together.count > 1 else ""
        say(
            STAGE,
            f"{len(data.pairs):,} pairs{with_images}, {passes}{stages}; "
            f"reference checked (differs by {difference:.1g} nats){spread}",
        )
        vlm.features = open_features(vlm, settings.feature_cache)  # not before: the check recomputes all of it
        records = _train(policy, data, settings, writer.state, parallel)
        weights = lora_weights(vlm)
        data.unseen.update(*together.gather(data.unseen))
        if not together.first:
            return None
        results = _results(records, data, difference) | {"processes": together.count, **(about or {})}
        artifact = finish(writer, vlm, weights, model, records, results, log)
        say(STAGE, _summary(artifact.results))
        return artifact


def _load(model: str, adapter: str, together: processes.Processes, sharded: bool) -> Vlm:
    """On the GPU of this process; for FSDP on the CPU, from where each layer goes to the GPUs in shards.

    On every node the first process goes ahead, so that the others find what it downloaded; then one after the other
    takes the checkpoint through the node's memory, which need hold it only once.
    """
    if together.count == 1:
        return load_vlm(storage.local_folder(model), adapter=_folder(adapter))
    if together.local_rank == 0:
        storage.local_folder(model)
        _folder(adapter)
    together.gather(None)
    folder, start = storage.local_folder(model), _folder(adapter)
    with_gpu = torch.cuda.is_available()
    if with_gpu and sharded:
        return load_vlm(folder, adapter=start, device="cpu", dtype="bfloat16")
    mine = None
    for turn in range(together.local_count):
        if turn == together.local_rank:
            mine = load_vlm(folder, adapter=start, device=f"cuda:{together.local_rank}" if with_gpu else "cpu")
        together.gather(None)
    assert mine is not None
    return mine


def _folder(adapter: str) -> Path | None:
    return storage.local_folder(adapter) if adapter else None


def _train(
    policy: PairModel, data: PairData, settings: TrainingSettings, state: str, parallel: ParallelSettings
) -> list[dict[str, Any]]:
    """Returns one record an optimizer step, those before a restart included."""
    together = processes.current()
    with checkpoint_folder(state) as (folder, remote):
        found = last_checkpoint(STAGE, folder, remote) if together.first else None
        with checkpoint.seen_by_all(folder, found, together) as (own, resumed):
            trainer = PairTrainer(policy, data, settings, own, remote, parallel)
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        history = [record for record in trainer.state.log_history if "dpo_loss" in record]
    places = len(data)  # of pairs in the order of training, all epochs
    epochs = places / len(data.pairs) if settings.answer_tokens else settings.epochs
    return [
        {name: record[name] for name in (*LOG_FIELDS, *IMAGE_FIELDS, ADAPTIVE) if name in record}
        | {"epoch": min(record["step"] * settings.pairs_per_step, places) / places * epochs}
        for record in history
    ]


def _results(records: list[dict[str, Any]], data: PairData, difference: float) -> dict[str, Any]:
    tail = records[-max(1, len(records) // 10) :]
    names = ("loss", "reward_chosen", "reward_rejected", "reward_margin", "reward_image_gap", "accuracy", "kl")
    means = {}
    for name in names:
        values = [record[name] for record in tail if name in record]
        if values:
            means[f"final_{name}"] = sum(values) / len(values)
    counts = {"pairs": len(data.pairs), "image_pairs": len(data.corrupted.rows) if data.corrupted else 0}
    if data.unseen:
        counts["image_pairs_unseen"] = len(data.unseen)
        say(STAGE, f"{len(data.unseen):,} corrupted images are the true ones to the model, e.g. {min(data.unseen)}")
    counts |= {"steps": len(records), "answer_tokens": data.answer_tokens}
    means["seconds"] = sum(record["seconds"] for record in records)
    return {**counts, "reference_difference": difference, **means}


def _summary(results: dict[str, Any]) -> str:
    chosen = results["final_reward_chosen"]
    note = "" if chosen >= 0 else " (below zero: the chosen answers became less likely; see anchor_weight)"
    image = f", image gap {results['final_reward_image_gap']:+.2f}" if "final_reward_image_gap" in results else ""
    return (
        f"{results['steps']:,} steps; reward of chosen {chosen:+.2f}{note}, of rejected "
        f"{results['final_reward_rejected']:+.2f}, accuracy {results['final_accuracy']:.2f}{image}"
    )
