"""How an answer is drawn: the settings, the random numbers, and the choice of the next token from logits.

Ours. There is one uniform number per (prompt, candidate, step). It depends on nothing but the prompt's seed, the
candidate's index and the step, so a candidate is the same whatever batch, shard or restart it is sampled in (up to
float rounding of the logits themselves).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundtune.errors import SettingError
from groundtune.vlm.loader import Vlm

LIKELY = 256  # tokens that hold a nucleus nearly always; finding them costs a twentieth of sorting a vocabulary


@dataclass(frozen=True)
class Decoding:
    """How answers are drawn. samples: candidates a prompt. Defaults are ours (the M3PO paper gives none)."""

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 0.95
    samples: int = 8

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise SettingError("max_new_tokens", self.max_new_tokens, "at least 1")
        if not self.temperature >= 0:
            raise SettingError("temperature", self.temperature, "0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise SettingError("top_p", self.top_p, "more than 0, at most 1")
        if self.samples < 1:
            raise SettingError("samples", self.samples, "at least 1")


class Draws:
    """The uniform numbers of every answer. seeds: one a prompt; steps: numbers an answer."""

    def __init__(self, seeds: Sequence[int], steps: int):
        self.seeds, self.steps = seeds, steps

    def of(self, prompt: int, sample: int) -> np.ndarray:
        """[steps] float64 of answer `sample` to prompt `prompt` (an index of seeds)."""
        return uniforms(self.seeds[prompt], sample, self.steps)


def uniforms(seed: int, candidate: int, steps: int) -> np.ndarray:
    """[steps] float64 in [0, 1): Philox keyed by sha256(seed, candidate). A longer draw starts with the
    shorter one.
    """
    key = hashlib.sha256(f"{seed}:{candidate}".encode()).digest()
    generator = np.random.Generator(np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8")))
    return generator.random(steps)


def next_logits(vlm: Vlm, states: Tensor) -> Tensor:
    """Float32 logits [B, V] of the token after each hidden state [B, D]; -inf for what is never drawn."""
    logits: Tensor = vlm.base.get_output_embeddings()(states).float()
    logits[:, vlm.config.image_token_id] = -torch.inf
    logits[:, len(vlm.tokenizer) :] = -torch.inf  # rows of a padded embedding table that no text maps to
    return logits


def pick(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Next token of each row: logits [B, V] float32, uniform [B] -> [B] int64.

    Nucleus sampling (Holtzman et al. 2020): the smallest set of likeliest tokens whose mass reaches top_p,
    at least one; then the inverse of its cumulative distribution. Temperature 0 takes the likeliest token. A row gets
    the same token whatever rows it stands among.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    mass = (logits / temperature).softmax(dim=-1)
    if top_p == 1:  # no set to find, so no order either
        cumulative = mass.cumsum(dim=-1)
        rank = (cumulative <= uniform.to(mass).unsqueeze(-1) * cumulative[:, -1:]).sum(dim=-1)
        return torch.where(rank < mass.shape[-1], rank, mass.argmax(dim=-1))  # a number that was rounded up to 1
    likely = min(LIKELY, mass.shape[-1])
    tokens = mass.topk(likely, sorted=False).indices.sort(dim=-1).values  # equal masses: the lower id first
    ranked, order = mass.gather(-1, tokens).sort(dim=-1, descending=True, stable=True)
    picked = _from_nucleus(ranked, tokens.gather(-1, order), uniform, top_p)
    wide = (ranked.double().sum(dim=-1) < top_p).nonzero().squeeze(-1)
    if len(wide) and likely < mass.shape[-1]:
        ranked, order = mass[wide].sort(dim=-1, descending=True, stable=True)
        picked[wide] = _from_nucleus(ranked, order, uniform[wide], top_p)
    return picked


def _from_nucleus(ranked: Tensor, tokens: Tensor, uniform: Tensor, top_p: float) -> Tensor:
    """ranked: masses [B, n], largest first, of tokens [B, n]; uniform [B] -> [B]."""
    cumulative = ranked.cumsum(dim=-1)
    kept = (cumulative - ranked < top_p).sum(dim=-1, keepdim=True)  # [B, 1], at least 1
    goal = uniform.to(cumulative).unsqueeze(-1) * cumulative.gather(-1, kept - 1)
    rank = (cumulative <= goal).sum(dim=-1, keepdim=True)
    return tokens.gather(-1, torch.minimum(rank, kept - 1)).squeeze(-1)
