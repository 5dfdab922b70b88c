"""TRL's DPOTrainer as a careful user sets it up for a vision-language model.

It takes images only with the reference on the fly (precompute_ref_log_probs is refused for them). Without Triton, that
is on a CPU, it puts the head on every position; `answer_head` has it do what it does on a GPU, answers only. Neither
padding-free nor truncation, as it asks for images; no dropout, no gradient checkpointing unless asked for, no workers,
nothing logged or saved while it is measured.
"""

from pathlib import Path
from typing import Any

import torch
import trl.trainer.utils
from datasets import Dataset, Features, Image, Sequence, Value
from peft import LoraConfig
from transformers import TrainerCallback
from transformers.utils import is_torch_tf32_available
from trl import DPOConfig, DPOTrainer

from bench.engine.models import Neighbour
from bench.engine.workload import INSTRUCTION, Pair
from groundtune.settings import TrainingSettings
from groundtune.vlm.prompt import render

NEVER = 10**9


def answer_head() -> None:
    """Have the head run at answer positions only, wherever."""
    trl.trainer.utils._use_triton = lambda device: True


def dataset_of(vlm: Neighbour, pairs: list[Pair]) -> Dataset:
    """Pictures as references to their files, as `datasets` reads them: decoded when their turn comes."""
    prompt = vlm.tokenizer.bos_token + render(vlm, INSTRUCTION)
    columns = {
        "images": [[str(pair.image)] for pair in pairs],
        "prompt": [prompt] * len(pairs),
        "chosen": [pair.chosen for pair in pairs],
        "rejected": [pair.rejected for pair in pairs],
    }
    text = Value("string")
    features = Features({"images": Sequence(Image()), "prompt": text, "chosen": text, "rejected": text})
    return Dataset.from_dict(columns, features=features)


def trainer_of(
    vlm: Neighbour,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: Path,
    callback: TrainerCallback,
    **changes: Any,
) -> DPOTrainer:
    """The same objective, LoRA, optimizer and order as ours. changes: other words for DPOConfig."""
    checkpointing = settings.gradient_checkpointing
    words: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": settings.pairs_per_step,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "beta": settings.beta,
        "max_length": None,
        "bf16": vlm.dtype == torch.bfloat16,
        "tf32": is_torch_tf32_available() or None,
        "use_cpu": vlm.device.type == "cpu",
        "gradient_checkpointing": checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if checkpointing else None,
        "train_sampling_strategy": "sequential",
        "logging_steps": NEVER,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "seed": settings.seed,
    }
    names = "|".join(settings.lora_targets)
    lora = LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout,
        target_modules=rf".*language_model.*\.({names})", task_type="CAUSAL_LM",
    )  # fmt: skip
    trainer = DPOTrainer(
        model=vlm.base,
        args=DPOConfig(**(words | changes)),
        train_dataset=dataset,
        processing_class=vlm.processor,
        peft_config=lora,
        callbacks=[callback],
    )
    vlm.model = trainer.model
    return trainer


class Prepared(torch.utils.data.Dataset[Any]):
    """Batches that were collated before: what reading and preprocessing cost is then no part of the step."""

    def __init__(self, trainer: DPOTrainer, dataset: Dataset, size: int):
        rows = [dataset[i] for i in range(len(dataset))]
        self.batches = [trainer.data_collator(rows[i : i + size]) for i in range(0, len(rows), size)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return dict(self.batches[index])
