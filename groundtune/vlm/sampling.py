"""Choose the next token from logits with one uniform number per (prompt, candidate, step), drawn up front.

Ours. The numbers depend on nothing but the prompt's seed, the candidate's index and the step, so a
candidate is the same whatever batch, shard or restart it is sampled in (up to float rounding of the logits
themselves).
"""

import hashlib

import numpy as np
import torch
from torch import Tensor


def uniforms(seed: int, candidate: int, steps: int) -> np.ndarray:
    """[steps] float64 in [0, 1): Philox keyed by sha256(seed, candidate). A longer draw starts with the
    shorter one.
    """
    key = hashlib.sha256(f"{seed}:{candidate}".encode()).digest()
    generator = np.random.Generator(np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8")))
    return generator.random(steps)


def pick(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Next token of each row: logits [B, V] float32, uniform [B] -> [B] int64.

    Nucleus sampling (Holtzman et al. 2020): the smallest set of likeliest tokens whose mass reaches top_p,
    at least one; then the inverse of its cumulative distribution. Temperature 0 takes the likeliest token.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    ranked, order = (logits / temperature).sort(dim=-1, descending=True, stable=True)
    mass = ranked.softmax(dim=-1)
    cumulative = mass.cumsum(dim=-1)
    kept = (cumulative - mass < top_p).sum(dim=-1, keepdim=True)  # [B, 1], at least 1
    goal = uniform.to(cumulative).unsqueeze(-1) * cumulative.gather(-1, kept - 1)
    rank = (cumulative <= goal).sum(dim=-1, keepdim=True)
    return order.gather(-1, torch.minimum(rank, kept - 1)).squeeze(-1)
