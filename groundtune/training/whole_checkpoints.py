"""A trainer whose checkpoints hold LoRA and optimizer state in one place (checkpoint.py), written and read together."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from groundtune.training import checkpoint, processes


class WholeCheckpoints:
    """In front of transformers' Trainer among the parents. No random state is kept: each step seeds its own."""

    model: Any
    optimizer: Any  # accelerate's wrapper around the one that create_optimizer made
    lr_scheduler: Any

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Nothing here: `checkpoint.save` writes weights and optimizer state together."""

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        together = processes.current()
        checkpoint.save(Path(output_dir), self.model, self.optimizer.optimizer, together)
        if together.first:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / checkpoint.SCHEDULER)

    def _save_rng_state(self, output_dir: str) -> None:
        """None is needed."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Nothing here: `checkpoint.load` reads weights and optimizer state together."""

    def _load_rng_state(self, folder: str | None) -> None:
        """None was saved."""

    def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
        if folder is None:
            return
        checkpoint.load(Path(folder), self.model, self.optimizer.optimizer, processes.current())
        self.lr_scheduler.load_state_dict(torch.load(Path(folder) / checkpoint.SCHEDULER, weights_only=True))
