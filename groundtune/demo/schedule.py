"""Learning-rate schedule and saving, the same for both models."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import torch


def cosine_schedule(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Warm-up over the first twentieth, then a cosine down to one fiftieth."""
    warm = max(1, steps // 20)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def save_folder(model: Any, processor: Any, folder: Path) -> None:
    """An ordinary checkpoint folder: float16 safetensors, to halve what the repository carries, and json."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    processor.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes for its owner alone; a checkpoint is for everyone
