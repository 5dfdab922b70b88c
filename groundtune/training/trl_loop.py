"""What is ours in a trainer of TRL: checkpoints that count only when whole, seeds a step, and silence.

TRL's trainers report each run to a server of their makers and write a model card into every checkpoint; these do not.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
import trl.kernels.chunked_logprob as trl_head
from torch import nn
from transformers import PrinterCallback, TrainerCallback

from groundtune.digests import digest_of
from groundtune.errors import SettingError
from groundtune.settings import TrainingSettings
from groundtune.training.arguments import loop_arguments
from groundtune.training.callbacks import BeforeStep, KeepCheckpoints
from groundtune.training.whole_checkpoints import WholeCheckpoints
from groundtune.vlm.loader import Vlm

# TRL 1.16 asks for it in every step by the name that transformers 5 gave up
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
# On a GPU TRL's head would run Triton kernels, which want a C compiler in the image; its PyTorch path does the same.
trl_head._TRITON_AVAILABLE = False


class TrlLoop(WholeCheckpoints):
    """In front of a trainer of TRL among the parents; the trainer's model is vlm.model with LoRA on it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]  # our progress line says it better

    def _send_telemetry(self) -> None:
        """Nobody is told."""

    def create_model_card(self, *given: Any, **named: Any) -> None:
        """None: a checkpoint is no publication."""


def frozen_towers(vlm: Vlm) -> list[nn.Module]:
    """The modules that images run through, from now on without a graph: none of them is trained, but for gradient
    checkpointing these loops make every embedding require a gradient, and a tower would keep all its activations for a
    backward pass that nobody needs."""
    towers = [module for module in vlm.family.image_modules(vlm.base) if isinstance(module, nn.Module)]
    for tower in towers:
        tower.forward = torch.no_grad()(tower.forward)
    return towers


def refuse_restarts(settings: TrainingSettings, stage: str) -> None:
    """Raises SettingError: TRL's loops have one schedule, and another than was asked for would be no equal budget."""
    if settings.restart_schedule:
        raise SettingError("restart_schedule", True, "false: this trainer has one schedule", stage)


def trl_arguments(settings: TrainingSettings, folder: Path, vlm: Vlm) -> dict[str, Any]:
    """`loop_arguments`, and TRL's own defaults undone: the model's dtype holds (no autocast), activations are kept
    unless the settings say otherwise."""
    return {
        **loop_arguments(settings, folder, vlm),
        "bf16": False,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if settings.gradient_checkpointing else None,
    }


def trl_callbacks(settings: TrainingSettings, remote: str) -> list[TrainerCallback]:
    """Checkpoints copied to the s3:// prefix `remote` ("" for none), and random numbers that follow from seed and step,
    so that a resumed run draws the same."""

    def seed(step: int) -> None:
        torch.manual_seed(int(digest_of([settings.seed, step])[:12], 16))

    return [KeepCheckpoints(remote), BeforeStep(seed)]

