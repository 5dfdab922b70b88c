"""The training loop: transformers.Trainer with our loss. Answers to one image share their prefix in one packed row."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from groundtune import storage
from groundtune.progress import say
from groundtune.settings import TrainingSettings
from groundtune.training import objective
from groundtune.training.branch_rewards import PairLogprobs, Rewards, pair_logprobs, references_of, rewards_of
from groundtune.training.callbacks import BeforeStep, KeepCheckpoints, StepProgress
from groundtune.training.curriculum import rate_factor
from groundtune.training.pair_data import PairData, PairExample
from groundtune.vlm.loader import Vlm

STAGE = "train_dpo"


class PairTrainer(Trainer):
    """DPO with MFPO's terms on pairs. `log_history` in the trainer state holds one record an optimizer step.

    remote: s3:// prefix that checkpoints are copied to, "" for none.
    """

    def __init__(self, vlm: Vlm, data: PairData, settings: TrainingSettings, folder: Path, remote: str = ""):
        self.vlm, self.pair_data, self.settings = vlm, data, settings
        self.folder, self.remote = folder, remote
        self._refreshed: dict[str, PairLogprobs] = {}
        self._pending: dict[str, list[float]] = defaultdict(list)
        self._tokens, self._clock = 0, time.monotonic()
        super().__init__(
            model=vlm.model,
            args=training_arguments(settings, folder, vlm, data.schedule.steps),
            train_dataset=data,
            data_collator=lambda examples: {"pairs": examples},
            callbacks=[StepProgress(STAGE), KeepCheckpoints(remote), BeforeStep(self._refresh)],
        )
        self.remove_callback(PrinterCallback)  # our progress line says it better

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.pair_data)  # which has the order already

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LRScheduler:
        if not self.settings.restart_schedule or len(self.pair_data.schedule.starts) == 1:
            return super().create_scheduler(num_training_steps, optimizer)
        chosen = optimizer or self.optimizer
        assert chosen is not None
        self.lr_scheduler = LambdaLR(chosen, self._restarted_rate)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def _restarted_rate(self, step: int) -> float:
        """Each curriculum stage has a warm-up and a decay of its own."""
        schedule = self.pair_data.schedule
        first, after = schedule.span(schedule.stage_at(min(step, schedule.steps - 1)))
        return rate_factor(step - first, after - first, self.settings.warmup_ratio, self.settings.schedule)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Mean over the pairs of weight * (text_weight L_text + image_weight L_image + anchor_weight L_margin)."""
        pairs: list[PairExample] = inputs["pairs"]
        policy = pair_logprobs(self.vlm, pairs)
        reference = [self._refreshed.get(pair.pair_id) or references_of(pair) for pair in pairs]
        rewards = rewards_of(pairs, policy, reference, self.settings.beta)
        loss = self._loss(rewards)
        weight = torch.tensor([pair.weight for pair in pairs], device=self.vlm.device)
        self._tokens += sum(
            len(p.prefix) + len(p.chosen) + len(p.rejected) + (len(p.corrupted) + len(p.chosen) if p.corrupted else 0)
            for p in pairs
        )
        return (weight * loss).mean()

    def _loss(self, rewards: Rewards) -> Tensor:
        """[B], and a note of every term. An anchor of weight 0 is noted, and no part of the graph."""
        settings = self.settings
        chosen, rejected = rewards.chosen, rewards.rejected
        text, anchor = objective.text_term(chosen, rejected), objective.margin_term(chosen, settings.eta)
        loss = settings.text_weight * text
        if settings.anchor_weight:
            loss = loss + settings.anchor_weight * anchor
        if len(rewards.with_image):
            image = objective.image_term(chosen[rewards.with_image], rewards.corrupted)
            loss = loss.index_add(0, rewards.with_image, settings.image_weight * image)
            self._note(
                image_loss=image,
                reward_corrupted=rewards.corrupted,
                reward_image_gap=chosen[rewards.with_image] - rewards.corrupted,
            )
        self._note(
            dpo_loss=text,
            anchor_loss=anchor,
            reward_chosen=chosen,
            reward_rejected=rejected,
            reward_margin=chosen - rejected,
            accuracy=(chosen > rejected).float(),
            kl=rewards.kl,
        )
        return loss

    @torch.no_grad()
    def _refresh(self, step: int) -> None:
        """With refresh_reference: at the start of each further curriculum stage the policy becomes its reference.

        The log-probs are kept beside the checkpoints: a run that is killed later goes on with the same ones.
        """
        schedule = self.pair_data.schedule
        stage = schedule.stage_at(step)
        first, after = schedule.span(stage)
        if not self.settings.refresh_reference or stage == 0 or (self._refreshed and step != first):
            return
        file = self.folder / f"reference-{stage}.safetensors"
        if not file.exists():
            size = self.settings.pairs_per_step
            numbers = sorted(set(schedule.order[first * size : after * size]))
            say(STAGE, f"the policy is the reference of stage {stage + 1} of {len(schedule.starts)}")
            partial = file.with_suffix(".partial")
            save_file(self._reference_now(numbers), partial)
            partial.replace(file)  # a run killed meanwhile must not find half of it
            if self.remote:
                storage.publish_file(file, storage.join(self.remote, file.name))
        found: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, values in load_file(file).items():
            pair_id, _, side = name.rpartition("|")
            found[pair_id][side] = values
        self._refreshed = {
            pair_id: PairLogprobs(sides["chosen"], sides["rejected"], sides.get("corrupted"))
            for pair_id, sides in found.items()
        }

    def _reference_now(self, numbers: list[int]) -> dict[str, Tensor]:
        """ "<pair id>|<side>" -> token log-probs under the policy as it is, dropout off."""
        self.vlm.model.eval()
        found: dict[str, Tensor] = {}
        size = self.settings.pairs_per_microbatch
        for start in range(0, len(numbers), size):
            pairs = [self.pair_data.example(number) for number in numbers[start : start + size]]
            for pair, logprobs in zip(pairs, pair_logprobs(self.vlm, pairs), strict=True):
                for side in ("chosen", "rejected", "corrupted"):
                    values = getattr(logprobs, side)
                    if values is not None:
                        found[f"{pair.pair_id}|{side}"] = values.cpu().contiguous()
        self.vlm.model.train()
        return found

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self._pending:
            logs |= {name: sum(values) / len(values) for name, values in self._pending.items()}
            now = time.monotonic()
            logs["tokens_per_second"] = self._tokens / max(now - self._clock, 1e-9)
            schedule = self.pair_data.schedule
            logs["curriculum_stage"] = schedule.labels[schedule.stage_at(self.state.global_step - 1)]
            self._pending.clear()
            self._tokens, self._clock = 0, now
        super().log(logs, start_time)

    def _note(self, **values: Tensor) -> None:
        for name, value in values.items():
            self._pending[name] += value.detach().float().cpu().tolist()


def training_arguments(settings: TrainingSettings, folder: Path, vlm: Vlm, steps: int) -> TrainingArguments:
    """Our settings in the Trainer's words. The order of pairs holds every epoch, hence one epoch here."""
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
