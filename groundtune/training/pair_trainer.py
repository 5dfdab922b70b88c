"""The training loop: transformers.Trainer with our loss. Answers to one image share their prefix in one packed row."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainingArguments

from groundtune.digests import digest_of
from groundtune.settings import TrainingSettings
from groundtune.settings.parallel import ParallelSettings
from groundtune.training import objective, processes
from groundtune.training.arguments import loop_arguments, use_one_gpu
from groundtune.training.branch_rewards import Rewards, references_of, rewards_of
from groundtune.training.callbacks import BeforeStep, KeepCheckpoints, StepClock, StepProgress
from groundtune.training.curriculum import rate_factor
from groundtune.training.microbatches import Microbatch, Microbatches
from groundtune.training.pair_data import PairData, PairExample
from groundtune.training.pair_model import PairModel, Sharded, named
from groundtune.training.refreshed_reference import RefreshedReference
from groundtune.training.whole_checkpoints import WholeCheckpoints
from groundtune.vlm.loader import Vlm

STAGE = "train_dpo"


class PairTrainer(WholeCheckpoints, Trainer):
    """DPO with MFPO's terms on pairs. `log_history` in the trainer state holds one record an optimizer step.

    remote: s3:// prefix that checkpoints are copied to, "" for none.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: PairModel,
        data: PairData,
        settings: TrainingSettings,
        folder: Path,
        remote: str = "",
        parallel: ParallelSettings | None = None,
    ):
        self.policy, self.vlm, self.pair_data, self.settings = model, model.vlm, data, settings
        self.folder, self.remote, self.parallel = folder, remote, parallel or ParallelSettings()
        self.processes = processes.current()
        self.microbatches = Microbatches(data, settings, self.processes.rank, self.processes.count)
        self.refreshed = RefreshedReference(model, data, settings, folder, remote, self.processes)
        self._pending: dict[str, list[Tensor]] = defaultdict(list)  # on the device until the step is logged
        self._tokens, self._clock = 0, StepClock()
        super().__init__(
            model=model,
            args=training_arguments(settings, folder, self.vlm, self.microbatches, self.parallel),
            train_dataset=self.microbatches,
            callbacks=[StepProgress(STAGE), KeepCheckpoints(remote), BeforeStep(self._before_step)],
        )
        self.remove_callback(PrinterCallback)  # our progress line says it better

    def get_train_dataloader(self) -> DataLoader[Any]:
        """This process's micro-batches in their order; nothing is left to deal out."""
        return DataLoader(self.microbatches, batch_size=1, shuffle=False, collate_fn=_only)

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        """It is there already, as a whole or in shards, which must not be moved."""

    def _wrap_model(self, model: nn.Module, training: bool = True, dataloader: Any = None) -> nn.Module:
        return Sharded(model) if self._sharded else super()._wrap_model(model, training, dataloader)

    @property
    def _sharded(self) -> bool:
        return self.parallel.sharding == "fsdp" and self.processes.count > 1

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
        """Sum over the pairs of weight * (text_weight L_text + image_weight L_image + anchor_weight L_margin), divided
        by the pairs of the whole optimizer step: every pair weighs the same, wherever and with whichever it is met."""
        pairs: list[PairExample] = inputs["pairs"]
        policy = named(model(pairs))
        reference = [self.refreshed.get(pair.pair_id) or references_of(pair) for pair in pairs]
        rewards = rewards_of(pairs, policy, reference, self.settings.beta)
        if not inputs["counts"]:
            return 0.0 * (rewards.chosen.sum() + rewards.rejected.sum() + rewards.corrupted.sum())
        loss = self._loss(rewards)
        weight = torch.tensor([pair.weight for pair in pairs]).to(loss.device, non_blocking=True)
        if self.settings.adaptive_weight:
            hard = objective.adaptive_weight(rewards.chosen - rewards.rejected, self.settings.adaptive_weight)
            self._note(adaptive_weight=hard)
            weight = weight * hard
        self._tokens += sum(
            len(p.prefix) + len(p.chosen) + len(p.rejected) + (len(p.corrupted) + len(p.chosen) if p.corrupted else 0)
            for p in pairs
        )
        # gradients are averaged over the processes, and the mean of the shares is not the sum
        share = self.processes.count / self.microbatches.pairs_in(self.state.global_step)
        return (weight * loss).sum() * share

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

    def _before_step(self, step: int) -> None:
        """Dropout's random numbers follow from seed, step and rank: a resumed run draws the same."""
        torch.manual_seed(int(digest_of([self.settings.seed, step, self.processes.rank])[:12], 16))
        self.refreshed.before(STAGE, step)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:  # the figures of a step, over the pairs of all processes
            noted = {name: torch.cat(values).tolist() for name, values in self._pending.items()}
            shares = self.processes.gather((noted, self._tokens))
            for name in sorted({name for notes, _ in shares for name in notes}):
                values = [value for notes, _ in shares for value in notes.get(name, [])]
                logs[name] = sum(values) / len(values)
            logs["seconds"] = self._clock.lap()
            logs["tokens_per_second"] = sum(tokens for _, tokens in shares) / max(logs["seconds"], 1e-9)
            schedule = self.pair_data.schedule
            logs["curriculum_stage"] = schedule.labels[schedule.stage_at(self.state.global_step - 1)]
            self._pending.clear()
            self._tokens = 0
        super().log(logs, start_time)

    def _note(self, **values: Tensor) -> None:
        """Kept where they are: fetching a figure now would make the host wait for the device in every micro-batch."""
        for name, value in values.items():
            self._pending[name].append(value.detach().float())


def _only(microbatches: list[Microbatch]) -> dict[str, Any]:
    """What compute_loss takes, of the one micro-batch that a DataLoader of batch size 1 hands over."""
    (microbatch,) = microbatches
    return {"pairs": microbatch.pairs, "counts": microbatch.counts}


def training_arguments(
    settings: TrainingSettings, folder: Path, vlm: Vlm, microbatches: Microbatches, parallel: ParallelSettings
) -> TrainingArguments:
    """Our settings in the Trainer's words."""
    arguments = TrainingArguments(
        **loop_arguments(settings, folder, vlm),
        per_device_train_batch_size=microbatches.size,
        gradient_accumulation_steps=microbatches.per_step,
        warmup_steps=round(settings.warmup_ratio * microbatches.data.schedule.steps),
        label_names=[],
        ddp_backend="gloo" if vlm.device.type == "cpu" and microbatches.count > 1 else None,
        ddp_timeout=int(parallel.timeout),
        ddp_find_unused_parameters=False,
    )
    use_one_gpu(arguments)
    return arguments
