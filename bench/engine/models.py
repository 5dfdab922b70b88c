"""Loading a case's model: ours as the library loads it, a neighbour's as plain transformers does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import LlavaForConditionalGeneration

from bench.engine.case import Case
from groundtune.vlm import attention
from groundtune.vlm.loader import PrefixChecker, Vlm, load_processor, load_vlm


@dataclass
class Neighbour(PrefixChecker):
    """A model with transformers' own attention. model: with adapters around it when there are any."""

    model: Any
    device: torch.device
    dtype: torch.dtype

    @property
    def base(self) -> Any:
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model


def ours(case: Case) -> Vlm:
    if case.size.weights != "device":
        return load_vlm(case.checkpoint, device=case.device, dtype=case.dtype)
    reader, model = load_processor(case.checkpoint), _drawn(case)
    attention.installed(reader.family.language_model(model))
    parts = (reader.processor, reader.tokenizer, reader.family, reader.config)
    return Vlm(*parts, model, torch.device(case.device), getattr(torch, case.dtype), "random", {})


def neighbour(case: Case) -> Neighbour:
    number = getattr(torch, case.dtype)
    reader = load_processor(case.checkpoint)
    if case.size.weights == "device":
        model = _drawn(case)
    else:
        folder = Path(case.checkpoint)
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=number, local_files_only=True).eval()
        model.to(torch.device(case.device))
    parts = (reader.processor, reader.tokenizer, reader.family, reader.config)
    return Neighbour(*parts, model, torch.device(case.device), number)


def end_by_chance(vlm: Vlm | Neighbour, mean_tokens: int) -> None:
    """Bias of the end token on a random head: with near-uniform logits an answer then ends after `mean_tokens` on
    average, whatever it says; 0 lets none end before the longest."""
    head = vlm.base.get_output_embeddings()
    like = {"device": head.weight.device, "dtype": head.weight.dtype}
    biased = nn.Linear(head.in_features, head.out_features, bias=True, **like)
    biased.weight = head.weight
    with torch.no_grad():
        biased.bias.zero_()
        odds = torch.log(torch.tensor(head.out_features / mean_tokens)) if mean_tokens else torch.tensor(-1e4)
        biased.bias[vlm.tokenizer.eos_token_id] = odds
    biased.requires_grad_(False)
    vlm.base.set_output_embeddings(biased)


def _drawn(case: Case) -> Any:
    """Random weights, made where they are used."""
    config = load_processor(case.checkpoint).config
    with torch.device("meta"):
        model: Any = LlavaForConditionalGeneration(config).to(getattr(torch, case.dtype))
    model.to_empty(device=torch.device(case.device))
    _fill(model)
    return model.eval()


def _fill(model: nn.Module) -> None:
    """Weights as they are initialised, norms at 1; buffers that `to_empty` left undefined are computed again."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.02)
            else:
                weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    for name, buffer in model.named_buffers():
        owner: Any = model.get_submodule(name.rpartition(".")[0])
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1]).expand_as(buffer))
        elif name.endswith("inv_freq"):
            buffer.copy_(type(owner)(owner.config).inv_freq)
        else:
            raise ValueError(f"buffer {name}: no rule how to fill it")
