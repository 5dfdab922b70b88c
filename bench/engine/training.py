"""What the sides of the training suites have in common: model, pairs, settings, and how a turn of steps is timed."""

from pathlib import Path
from typing import Any

import torch

from bench.engine import ours
from bench.engine.case import Case
from bench.engine.clock import StepClock
from bench.engine.workload import made_up_pairs

Turn = dict[str, float]


def spread_lora(model: Any) -> None:
    """LoRA as after some training, the same on every side: with B at zero each loss would be log 2."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in sorted(model.named_parameters(), key=lambda item: item[0].partition("language_model.")[2]):
        if "lora_" in name:
            with torch.no_grad():
                drawn = torch.randn(weight.shape, generator=generator) * 0.03
                weight.copy_(drawn)


class Training:
    """`count` pairs and the settings of training. vlm: a Vlm, or a Neighbour of models.py."""

    def __init__(self, case: Case, vlm: Any, count: int):
        self.case, self.size, self.vlm = case, case.size, vlm
        self.pairs = made_up_pairs(self.vlm.tokenizer, case.images(count), case.size.answer)
        checkpointing = case.gradient_checkpointing
        self.settings = ours.training_settings(case.size.pairs, case.size.lora_rank, checkpointing)
        self.clock = StepClock()
        self.folder = Path(case.scratch)

    def turn_of_steps(self, trainer: Any) -> Turn:
        self.clock.steps.clear()
        trainer.train()
        return {"seconds": sum(self.clock.steps), "pairs": len(self.pairs), "steps": len(self.clock.steps)}
