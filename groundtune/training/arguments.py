"""What every training loop says to transformers' Trainer in the same words."""

from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from groundtune.settings import TrainingSettings
from groundtune.vlm.loader import Vlm

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def use_one_gpu(arguments: TrainingArguments) -> None:
    """Several GPUs and one process: one of them is used, without DataParallel around the model."""
    arguments._n_gpu = min(arguments._n_gpu, 1)


def loop_arguments(settings: TrainingSettings, folder: Path, vlm: Vlm) -> dict[str, Any]:
    """Arguments of TrainingArguments and of TRL's configs: optimizer, clipping, seed, a record a step, a checkpoint as
    often as the settings say, and nobody told of it but us. The order of examples holds every epoch: one epoch here.

    folder: of the checkpoints.
    """
    return {
        "output_dir": str(folder),
        "num_train_epochs": 1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": SCHEDULES[settings.schedule],
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it waits for the backward pass; losses are looked at before it
        "save_strategy": "steps",
        "save_steps": settings.checkpoint_every,
        "save_total_limit": 2,
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "use_cpu": vlm.device.type == "cpu",
        "dataloader_pin_memory": False,
    }
