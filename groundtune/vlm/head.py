"""From hidden states at answer positions to log-probs, a chunk at a time: a [B, T, V] tensor never exists."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

HEAD_POSITIONS = 1024  # positions a chunk: 128 MiB of float32 logits for a vocabulary of 32,000


def target_logprobs(head: nn.Module, hidden: Tensor, targets: Tensor) -> Tensor:
    """log p(targets[n] | hidden[n]): hidden [N, D] (model dtype), targets [N] int64 -> [N] float32, nats."""

    def chunk(states: Tensor, wanted: Tensor) -> Tensor:
        return -F.cross_entropy(head(states).float(), wanted, reduction="none")

    return _in_chunks(chunk, hidden, targets)


def listed_logprobs(head: nn.Module, hidden: Tensor, token_ids: Tensor) -> Tensor:
    """log p of each listed token after each state: hidden [N, D], token_ids [K] int64 -> [N, K] float32,
    nats.
    """

    def chunk(states: Tensor) -> Tensor:
        return head(states).float().log_softmax(dim=-1)[:, token_ids]

    return _in_chunks(chunk, hidden)


def _in_chunks(function: Callable[..., Tensor], hidden: Tensor, *aligned: Tensor) -> Tensor:
    parts = []
    for start in range(0, len(hidden), HEAD_POSITIONS):
        pieces = [tensor[start : start + HEAD_POSITIONS] for tensor in (hidden, *aligned)]
        if torch.is_grad_enabled():  # logits are recomputed in the backward pass instead of kept
            parts.append(checkpoint(function, *pieces, use_reentrant=False))
        else:
            parts.append(function(*pieces))
    return torch.cat(parts)
