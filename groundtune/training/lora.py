"""LoRA on a loaded model: where it goes, how it starts, and the folder that plain peft reads it from."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.distributed.tensor import DTensor

from groundtune.errors import SettingError
from groundtune.settings import TrainingSettings
from groundtune.training.lora_form import check_form, target_modules
from groundtune.vlm.loader import Vlm


def add_lora(vlm: Vlm, settings: TrainingSettings) -> None:
    """Wrap the language model's chosen linear layers. LLaVA-1.5 takes the penultimate vision layer, so the tower's
    last layer gets no gradient; LoRA stays on the language model.

    Beside bfloat16 weights LoRA is in float32, and on a GPU its products go through the tensor cores as TF32: 10 bits
    of mantissa, the weights have 7.
    """
    _fast_products(vlm)
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=target_modules(settings),
        task_type="CAUSAL_LM",
    )
    try:
        vlm.model = get_peft_model(vlm.model, config)
    except ValueError as error:
        raise SettingError("lora_targets", list(settings.lora_targets), f"layers of this model ({error})") from error


def go_on_with(vlm: Vlm, settings: TrainingSettings) -> None:
    """Train the adapter that the model was loaded with, in the place of a new one: at the first step the policy is what
    wrote the answers. Raises SettingError when it is of another form than the settings say; an adapter cannot grow."""
    check_form(vlm.model.peft_config["default"].to_dict(), settings)
    _fast_products(vlm)
    torch.manual_seed(settings.seed)
    for name, weight in vlm.model.named_parameters():
        weight.requires_grad_(".lora_" in name)


def _fast_products(vlm: Vlm) -> None:
    if torch.cuda.is_available() and vlm.dtype != torch.float32:
        torch.set_float32_matmul_precision("high")  # not TrainingArguments.tf32: torch.compile cannot read that back


def lora_weights(vlm: Vlm) -> dict[str, torch.Tensor]:
    """The trained weights by name, whole and on the CPU. With FSDP all processes must call it."""
    trained = {name: weight.detach() for name, weight in vlm.model.named_parameters() if weight.requires_grad}
    whole = {name: weight.full_tensor() if isinstance(weight, DTensor) else weight for name, weight in trained.items()}
    return {name: weight.cpu() for name, weight in whole.items()}


def save_adapter(
    vlm: Vlm, weights: dict[str, torch.Tensor], folder: Path, model: str, records: list[dict[str, Any]]
) -> None:
    """Fill a folder: the adapter as plain peft reads it, and training_log.jsonl with one record an optimizer step.

    weights: as of `lora_weights`. model: the base model's address, as the user gave it.
    """
    vlm.model.peft_config["default"].base_model_name_or_path = model
    vlm.model.save_pretrained(folder, safe_serialization=True, state_dict=weights)
    with (folder / "training_log.jsonl").open("w") as stream:
        for record in records:
            stream.write(json.dumps(record) + "\n")
