"""The training loop: transformers.Trainer with our loss. Chosen and rejected share their prefix in one packed row."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from groundtune import storage
from groundtune.progress import Progress
from groundtune.settings import TrainingSettings
from groundtune.training import objective
from groundtune.training.pair_data import PairData, PairExample
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.loader import Vlm

STAGE = "train_dpo"
COMPLETE = "COMPLETE"  # written into a checkpoint last: one without it was cut off while being saved


class PairTrainer(Trainer):
    """DPO on pairs. `log_history` in the trainer state holds one record an optimizer step, restored on resume."""

    def __init__(self, vlm: Vlm, data: PairData, settings: TrainingSettings, folder: Path, callbacks: list[Any]):
        self.vlm, self.pair_data, self.settings = vlm, data, settings
        self._pending: dict[str, list[float]] = defaultdict(list)
        self._tokens, self._clock = 0, time.monotonic()
        super().__init__(
            model=vlm.model,
            args=training_arguments(settings, folder, vlm, len(data)),
            train_dataset=data,
            data_collator=lambda examples: {"pairs": examples},
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)  # our progress line says it better

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.pair_data)  # which has the order already

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Mean over the pairs of weight * (L_text + anchor_weight * L_margin)."""
        pairs: list[PairExample] = inputs["pairs"]
        settings = self.settings
        branches = [[pair.chosen, pair.rejected] for pair in pairs]
        logprobs = branch_logprobs(self.vlm, [pair.prefix for pair in pairs], branches)
        device = self.vlm.device
        references = [(p.chosen_reference.to(device), p.rejected_reference.to(device)) for p in pairs]
        sides = [
            objective.reward(
                torch.stack([row[side].sum() for row in logprobs]),
                torch.stack([reference[side].sum() for reference in references]),
                settings.beta,
            )
            for side in (0, 1)
        ]
        chosen, rejected = sides
        text = objective.text_term(chosen, rejected)
        anchor = objective.margin_term(chosen, settings.eta)
        weight = torch.tensor([pair.weight for pair in pairs], device=device)
        loss = (weight * (text + settings.anchor_weight * anchor)).mean()
        with torch.no_grad():
            kl = [
                objective.token_kl(policy, old)
                for row, reference in zip(logprobs, references, strict=True)
                for policy, old in zip(row, reference, strict=True)
            ]
            self._note(
                dpo_loss=text,
                anchor_loss=anchor,
                reward_chosen=chosen,
                reward_rejected=rejected,
                reward_margin=chosen - rejected,
                accuracy=(chosen > rejected).float(),
                kl=torch.stack(kl),
            )
            self._tokens += sum(len(p.prefix.input_ids) + len(p.chosen) + len(p.rejected) for p in pairs)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self._pending:
            logs |= {name: sum(values) / len(values) for name, values in self._pending.items()}
            now = time.monotonic()
            logs["tokens_per_second"] = self._tokens / max(now - self._clock, 1e-9)
            self._pending.clear()
            self._tokens, self._clock = 0, now
        super().log(logs, start_time)

    def _note(self, **values: Tensor) -> None:
        for name, value in values.items():
            self._pending[name] += value.float().cpu().tolist()


class StepProgress(TrainerCallback):
    """The progress line of training."""

    def __init__(self) -> None:
        self.progress: Progress | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.progress = Progress(STAGE, state.max_steps, "steps")
        self.progress.skip(state.global_step)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.progress:
            self.progress.add(1)


class KeepCheckpoints(TrainerCallback):
    """Marks finished checkpoints, and copies them to an s3:// state prefix so that a lost node can go on."""

    def __init__(self, remote: str):
        self.remote = remote

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).touch()
        if self.remote:
            storage.publish_folder(folder, storage.join(self.remote, folder.name))
            storage.publish_file(folder / COMPLETE, storage.join(self.remote, f"{folder.name}/{COMPLETE}"))


def training_arguments(settings: TrainingSettings, folder: Path, vlm: Vlm, examples: int) -> TrainingArguments:
    """Our settings in the Trainer's words. `examples` counts every epoch, hence one epoch here."""
    steps = -(-examples // settings.pairs_per_step)
    schedule = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}[settings.schedule]
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=settings.pairs_per_microbatch,
        gradient_accumulation_steps=settings.pairs_per_step // settings.pairs_per_microbatch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=schedule,
        warmup_steps=round(settings.warmup_ratio * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        data_seed=settings.seed,
        logging_steps=1,
        save_strategy="steps",
        save_steps=settings.checkpoint_every,
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=[],
        use_cpu=vlm.device.type == "cpu",
        dataloader_pin_memory=False,
    )


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was saved whole."""
    found = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).exists()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
