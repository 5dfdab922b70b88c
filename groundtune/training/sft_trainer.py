"""Supervised fine-tuning in TRL's loop, on batches of ours.

TRL's own preparation renders, tokenizes and cuts the text anew, so an answer's tokens at the border need not be those
that were sampled; here every sequence is the prompt's prefix and the chosen ids, and the loss lies on the ids alone.
"""

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from trl import SFTConfig, SFTTrainer

from groundtune.errors import RecordError
from groundtune.settings import TrainingSettings
from groundtune.training.arguments import use_one_gpu
from groundtune.training.callbacks import StepClock, StepProgress
from groundtune.training.chosen_answers import PLACES, ChosenAnswers
from groundtune.training.trl_loop import TrlLoop, frozen_towers, trl_arguments, trl_callbacks
from groundtune.vlm.sharing import evaluating

STAGE = "train_sft"


class ChosenTrainer(TrlLoop, SFTTrainer):
    """Minimises -log pi(y_w | x, m), the mean over the answer tokens of an optimizer step. `log_history` in the trainer
    state holds one record a step.

    remote: s3:// prefix that checkpoints are copied to, "" for none.
    """

    def __init__(self, data: ChosenAnswers, settings: TrainingSettings, folder: Path, remote: str = ""):
        self.data, self.settings, self.vlm = data, settings, data.vlm
        self.clock = StepClock()
        self.towers = frozen_towers(data.vlm)
        arguments = SFTConfig(
            **trl_arguments(settings, folder, data.vlm),
            per_device_train_batch_size=settings.pairs_per_microbatch,
            gradient_accumulation_steps=settings.pairs_per_step // settings.pairs_per_microbatch,
            warmup_steps=round(settings.warmup_ratio * data.schedule.steps),
            train_sampling_strategy="sequential",
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        use_one_gpu(arguments)
        super().__init__(
            model=data.vlm.model,
            args=arguments,
            data_collator=data.batch,
            train_dataset=Dataset.from_dict({"place": list(range(len(data)))}),
            processing_class=data.vlm.processor,
            callbacks=[StepProgress(STAGE), *trl_callbacks(settings, remote)],
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Raises RecordError that names the pairs whose loss is not finite."""
        places = inputs.pop(PLACES).tolist()
        with evaluating(*self.towers):  # a frozen tower has no dropout, whatever mode the trainer puts it into
            loss: Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not torch.isfinite(loss.detach()):
            names = [self.data.pair(place)["pair_id"] for place in places]
            problem = f"is {float(loss.detach())} with {names}: lower learning_rate, or look at these pairs"
            raise RecordError(names[0], "loss", problem)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            step, schedule = self.state.global_step, self.data.schedule
            logs["answer_tokens"] = self.data.answer_tokens(step * self.settings.pairs_per_step)
            logs["curriculum_stage"] = schedule.labels[schedule.stage_at(step - 1)]
            logs["seconds"] = self.clock.lap()
        super().log(logs, start_time)
