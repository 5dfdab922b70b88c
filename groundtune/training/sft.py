"""train_sft: supervised fine-tuning on the chosen answers of pairs, a baseline. The same LoRA, optimizer and folder as
train_dpo, and like it, it goes on from its last checkpoint with the same result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifacts import read_artifact
from groundtune.folder_artifacts import FolderArtifact, FolderWriter
from groundtune.progress import say
from groundtune.settings import TrainingSettings
from groundtune.tracking.ledger import noted
from groundtune.training import processes
from groundtune.training.chosen_answers import ChosenAnswers, read_chosen_answers
from groundtune.training.finishing import checkpoint_folder, finish
from groundtune.training.lora import add_lora, lora_weights
from groundtune.training.resuming import last_checkpoint
from groundtune.training.sft_trainer import STAGE, ChosenTrainer
from groundtune.training.trl_loop import refuse_restarts
from groundtune.vlm.loader import load_vlm

FIELDS = (
    "step", "loss", "mean_token_accuracy", "entropy", "answer_tokens", "grad_norm", "learning_rate",
    "curriculum_stage", "seconds",
)  # fmt: skip


@noted(STAGE)
def run(
    prompts: str | Path,
    pairs: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: TrainingSettings | Mapping[str, Any],
    *,
    about: Mapping[str, Any] | None = None,
) -> FolderArtifact:
    """Train LoRA on the chosen answers, whose token ids are those of the pairs. `pairs_per_step` and
    `pairs_per_microbatch` count examples; what is of rewards and reference has no effect.

    about: further entries of the manifest's results, as the method of a comparison.
    out: adapter_model.safetensors + adapter_config.json as plain peft reads them, training_log.jsonl, manifest.json.
    """
    settings = TrainingSettings.of(settings, STAGE)
    processes.current()  # refuses to be one of several that do not know of each other
    refuse_restarts(settings, STAGE)
    source = read_artifact(pairs, "pairs")
    vlm = load_vlm(storage.local_folder(model))
    parents = {"pairs": source.digest, "model": vlm.digest}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        data = read_chosen_answers(vlm, prompts, source, images_root, settings)
        writer = FolderWriter(Path(out), "adapter", {"trainer": "sft", **settings.to_mapping()}, parents)
        add_lora(vlm, settings)
        say(STAGE, f"{len(data.pairs):,} chosen answers, {len(data) / len(data.pairs):.1f} epochs")
        records = _train(data, settings, writer.state)
        results = _results(records, data) | dict(about or {})
        artifact = finish(writer, vlm, lora_weights(vlm), model, records, results, log)
        say(STAGE, "{steps:,} steps, {answer_tokens:,} answer tokens; loss {final_loss:.3f}".format(**artifact.results))
        return artifact


def _train(data: ChosenAnswers, settings: TrainingSettings, state: str) -> list[dict[str, Any]]:
    """Returns one record an optimizer step, those before a restart included."""
    with checkpoint_folder(state) as (folder, remote):
        found = last_checkpoint(STAGE, folder, remote)
        trainer = ChosenTrainer(data, settings, folder, remote)
        trainer.train(resume_from_checkpoint=str(found) if found else None)
        history = [record for record in trainer.state.log_history if "loss" in record]
    return [
        {name: record[name] for name in FIELDS if name in record}
        | {"epoch": min(record["step"] * settings.pairs_per_step, len(data)) / len(data.pairs)}
        for record in history
    ]


def _results(records: list[dict[str, Any]], data: ChosenAnswers) -> dict[str, Any]:
    tail = records[-max(1, len(records) // 10) :]
    return {
        "pairs": len(data.pairs),
        "steps": len(records),
        "answer_tokens": data.answer_tokens(len(data)),
        "final_loss": sum(record["loss"] for record in tail) / len(tail),
        "seconds": sum(record["seconds"] for record in records),
    }
