"""Where a model looks before it answers: attention from a prompt's last position (ours, for MFPO's visual attention).

Only the last position is read with the slow implementation that gives weights away: all before it goes through the
ordinary one into the cache. So no [T, T] matrix of any layer is ever kept, and long prompts fit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from groundtune.vlm.branches import TOKEN_BUDGET
from groundtune.vlm.features import left_padded
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix


@torch.no_grad()
def last_position_attention(vlm: Vlm, prefixes: Sequence[Prefix], *, token_budget: int = TOKEN_BUDGET) -> list[Tensor]:
    """For prefix i float32 [T_i] on the CPU: attention of its last position to every position, itself included, mean
    over layers and heads; sums to 1. token_budget: padded tokens in one pass; a single prefix may exceed it.
    """
    found: list[Tensor] = []
    for group in _groups(prefixes, token_budget):
        weights = _last_weights(vlm, group)
        found += [row[len(row) - len(prefix) :] for row, prefix in zip(weights, group, strict=True)]
    return found


def _last_weights(vlm: Vlm, prefixes: list[Prefix]) -> Tensor:
    """[B, T] float32, left-padded."""
    from transformers import DynamicCache

    decoder: Any = vlm.family.language_model(vlm.base)
    embedded, mask, positions = left_padded(vlm, prefixes)
    cache = DynamicCache(config=vlm.config.get_text_config())
    before = {"inputs_embeds": embedded[:, :-1], "attention_mask": mask[:, :-1], "position_ids": positions[:, :-1]}
    decoder(**before, past_key_values=cache, use_cache=True)
    last = {"inputs_embeds": embedded[:, -1:], "attention_mask": mask, "position_ids": positions[:, -1:]}
    with _weights_given(decoder):
        layers = decoder(**last, past_key_values=cache, use_cache=True, output_attentions=True).attentions
    total = torch.zeros(mask.shape, dtype=torch.float32, device=vlm.device)
    for layer in layers:  # [B, H, 1, T]
        total += layer[:, :, -1].float().mean(dim=1)
    return (total / len(layers)).cpu()


@contextmanager
def _weights_given(decoder: Any) -> Iterator[None]:
    """The eager implementation for a while: the fused ones do not form the weights."""
    usual = decoder.config._attn_implementation
    decoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        decoder.set_attn_implementation(usual)


def _groups(prefixes: Sequence[Prefix], token_budget: int) -> Iterator[list[Prefix]]:
    group: list[Prefix] = []
    for prefix in prefixes:
        widest = max([len(prefix), *map(len, group)])
        if group and widest * (len(group) + 1) > token_budget:
            yield group
            group = []
        group.append(prefix)
    if group:
        yield group
