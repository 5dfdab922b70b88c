"""train_dpo: pairs in, a standard PEFT adapter out. Restarts from its last checkpoint with the same result."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from groundtune import storage, tracking
from groundtune.artifacts import read_artifact
from groundtune.candidates.combine import joined_digest, read_shards
from groundtune.errors import SettingError
from groundtune.folder_artifacts import FolderArtifact, FolderWriter
from groundtune.progress import say
from groundtune.settings import TrainingSettings
from groundtune.training.branch_rewards import pair_logprobs, references_of
from groundtune.training.callbacks import last_complete_checkpoint
from groundtune.training.pair_data import PairData, read_pair_data
from groundtune.training.pair_trainer import STAGE, PairTrainer
from groundtune.training.reference import check_sample
from groundtune.vlm.feature_cache import FeatureCache
from groundtune.vlm.loader import Vlm, load_vlm

LOG_FIELDS = (
    "step", "epoch", "loss", "dpo_loss", "anchor_loss", "reward_chosen", "reward_rejected", "reward_margin",
    "accuracy", "kl", "tokens_per_second", "grad_norm", "learning_rate", "curriculum_stage",
)  # fmt: skip
IMAGE_FIELDS = ("image_loss", "reward_corrupted", "reward_image_gap")  # in the records of steps with image pairs


def run(
    prompts: str | Path,
    confidence: Sequence[str | Path],
    pairs: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: TrainingSettings | Mapping[str, Any],
    *,
    image_pairs: Sequence[str | Path] = (),
    image_reference: Sequence[str | Path] = (),
) -> FolderArtifact:
    """Train LoRA on the pairs. `confidence` is the reference: the base model is never run again for it.

    image_pairs, image_reference: all shards of the corrupted images and of the chosen answers' log-probs under them;
    with them the image term counts (MFPO), without them training is on text preferences alone (M3PO).
    out: adapter_model.safetensors + adapter_config.json as plain peft reads them, training_log.jsonl, manifest.json.
    """
    settings = TrainingSettings.of(settings, STAGE)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingError("WORLD_SIZE", os.environ["WORLD_SIZE"], "1: train_dpo trains on one device")
    source = read_artifact(pairs, "pairs")
    vlm = load_vlm(storage.local_folder(model))
    parents = {"pairs": source.digest, "model": vlm.digest}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        data = read_pair_data(
            vlm, prompts, pairs, confidence, images_root, settings, image_pairs, image_reference
        )
        if data.corrupted:
            parents["image_pairs"] = joined_digest(read_shards(image_pairs, "image_pairs"))
        writer = FolderWriter(Path(out), "adapter", settings.to_mapping(), parents)
        difference = _check_reference(vlm, data)
        with_images = f", {len(data.corrupted.rows):,} with a corrupted image" if data.corrupted else ""
        stages = f" in {len(data.schedule.starts)} stages" if len(data.schedule.starts) > 1 else ""
        say(
            STAGE,
            f"{len(data.pairs):,} pairs{with_images}, {settings.epochs} epochs{stages}; "
            f"reference checked (differs by {difference:.1g} nats)",
        )
        vlm.features = FeatureCache(settings.feature_cache)
        add_lora(vlm, settings)
        records = _train(vlm, data, settings, writer.state)
        artifact = writer.finish(
            lambda folder: _save(vlm, folder, model, records), results=_results(records, data, difference)
        )
        log.series(records)
        log.metrics(artifact.results)
        log.tag("output.digest", artifact.digest)
        log.artifact(artifact.path / "training_log.jsonl")
        say(STAGE, _summary(artifact.results))
        return artifact


def add_lora(vlm: Vlm, settings: TrainingSettings) -> None:
    """Wrap the language model's chosen linear layers. LLaVA-1.5 takes the penultimate vision layer, so the tower's
    last layer gets no gradient; LoRA stays on the language model."""
    names = "|".join(settings.lora_targets)
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=rf".*language_model.*\.({names})",
        task_type="CAUSAL_LM",
    )
    try:
        vlm.model = get_peft_model(vlm.model, config)
    except ValueError as error:
        raise SettingError("lora_targets", list(settings.lora_targets), f"layers of this model ({error})") from error


def _train(vlm: Vlm, data: PairData, settings: TrainingSettings, state: str) -> list[dict[str, Any]]:
    """Returns one record an optimizer step, those before a restart included."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if storage.is_s3(state) else Path(state)
        folder.mkdir(parents=True, exist_ok=True)
        if storage.is_s3(state):
            for name in storage.list_files(state):
                storage.fetch_file(storage.join(state, name), folder / name)
        checkpoint = last_complete_checkpoint(folder)
        for path in folder.glob("checkpoint-*"):
            if path != checkpoint:
                shutil.rmtree(path)
        if checkpoint:
            say(STAGE, f"goes on from step {checkpoint.name.rpartition('-')[2]}")
        trainer = PairTrainer(vlm, data, settings, folder, state if storage.is_s3(state) else "")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        history = [record for record in trainer.state.log_history if "dpo_loss" in record]
    epochs = settings.epochs
    return [
        {name: record[name] for name in (*LOG_FIELDS, *IMAGE_FIELDS) if name in record}
        | {"epoch": record["epoch"] * epochs}
        for record in history
    ]


@torch.no_grad()
def _check_reference(vlm: Vlm, data: PairData, sample: int = 4) -> float:
    """Recompute the reference of a few pairs before hours are spent on a stale one. Returns nats."""
    numbers = list(range(min(sample, len(data.pairs))))
    if data.corrupted:
        with_image = [i for i, pair in enumerate(data.pairs) if pair["pair_id"] in data.corrupted]
        numbers = sorted({*numbers, *with_image[:sample]})
    examples = [data.example(number) for number in numbers]
    found = pair_logprobs(vlm, examples)
    return check_sample(
        [values for one in found for values in one],
        [values for example in examples for values in references_of(example)],
        [example.pair_id for example, one in zip(examples, found, strict=True) for _ in one],
        vlm.dtype,
    )


def _save(vlm: Vlm, folder: Path, model: str, records: list[dict[str, Any]]) -> None:
    vlm.model.peft_config["default"].base_model_name_or_path = model
    vlm.model.save_pretrained(folder, safe_serialization=True)
    with (folder / "training_log.jsonl").open("w") as stream:
        for record in records:
            stream.write(json.dumps(record) + "\n")


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
    return {**counts, "steps": len(records), "reference_difference": difference, **means}


def _summary(results: dict[str, Any]) -> str:
    chosen = results["final_reward_chosen"]
    note = "" if chosen >= 0 else " (below zero: the chosen answers became less likely; see anchor_weight)"
    image = f", image gap {results['final_reward_image_gap']:+.2f}" if "final_reward_image_gap" in results else ""
    return (
        f"{results['steps']:,} steps; reward of chosen {chosen:+.2f}{note}, of rejected "
        f"{results['final_reward_rejected']:+.2f}, accuracy {results['final_accuracy']:.2f}{image}"
    )
