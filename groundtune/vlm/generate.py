"""Sample K answers a prompt: one image encode and one prefill a prompt, then K rows of its cache decode
together; prompts about one image share the prefill of all that they begin with (ours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from groundtune.errors import SettingError
from groundtune.vlm.branches import sharing_is_exact
from groundtune.vlm.features import left_padded
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prefix_sharing import SharedPrefix, shared_prefixes
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import pick, uniforms

CACHE_TOKENS = 65536  # 32 GiB of keys and values for a 7B model in bfloat16 (0.5 MiB a token)


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


@dataclass(frozen=True)
class Answer:
    """token_ids: the sampled tokens, with the end-of-answer token when it came. text: without special tokens,
    stripped.
    """

    token_ids: tuple[int, ...]
    text: str
    finished: bool


@torch.no_grad()
def generate(
    vlm: Vlm,
    prefixes: Sequence[Prefix],
    decoding: Decoding,
    seeds: Sequence[int],
    *,
    cache_tokens: int = CACHE_TOKENS,
) -> list[list[Answer]]:
    """`decoding.samples` answers for each prefix, in the order given; seeds: one a prefix.

    cache_tokens: tokens that the key-value cache may hold at a time; bounds memory and changes no answer.
    Temperature 0 decodes once and gives `samples` copies. The image token and ids outside the tokenizer are
    never drawn.
    """
    if len(seeds) != len(prefixes):
        raise ValueError(f"{len(prefixes)} prefixes but {len(seeds)} seeds")
    rows = 1 if decoding.temperature == 0 else decoding.samples
    answers: dict[int, list[Answer]] = {}
    for group in _groups(prefixes, rows, decoding.max_new_tokens, cache_tokens):
        drawn = _decode(vlm, [prefixes[i] for i in group], decoding, [seeds[i] for i in group], rows)
        for i, own in zip(group, drawn, strict=True):
            answers[i] = own if rows == decoding.samples else own * decoding.samples
    return [answers[i] for i in range(len(prefixes))]


def _groups(prefixes: Sequence[Prefix], rows: int, steps: int, cache_tokens: int) -> list[list[int]]:
    """Prompts of one image together, images of similar length together (little padding), as many prompts as the cache
    holds; one at least.
    """
    first: dict[str, int] = {}
    longest: dict[str, int] = {}
    for i, prefix in enumerate(prefixes):
        first.setdefault(prefix.image_key, i)
        longest[prefix.image_key] = max(longest.get(prefix.image_key, 0), len(prefix))

    def place(i: int) -> tuple[int, int, int]:
        key = prefixes[i].image_key
        return longest[key], first[key], len(prefixes[i])

    groups: list[list[int]] = []
    width = 0
    for i in sorted(range(len(prefixes)), key=place):
        width = max(width, len(prefixes[i]))
        if groups and (len(groups[-1]) + 1) * rows * (width + steps) <= cache_tokens:
            groups[-1].append(i)
        else:
            groups.append([i])
            width = len(prefixes[i])
    return groups


def _decode(vlm: Vlm, prefixes: list[Prefix], decoding: Decoding, seeds: list[int], samples: int) -> list[list[Answer]]:
    steps = decoding.max_new_tokens
    eos = torch.tensor(sorted(end_token_ids(vlm)), device=vlm.device)
    draws = np.stack([uniforms(seed, k, steps) for seed in seeds for k in range(samples)])  # [B*K, steps]
    uniform = torch.from_numpy(draws.astype(np.float32)).to(vlm.device)
    logits, cache, mask = _prefill(vlm, prefixes)
    cache.batch_repeat_interleave(samples)
    logits, mask = logits.repeat_interleave(samples, 0), mask.repeat_interleave(samples, 0)
    position = mask.sum(dim=1)  # [B*K]: position of the next token
    written = torch.full((len(draws), steps), -1, dtype=torch.int64, device=vlm.device)
    rows = torch.arange(len(draws), device=vlm.device)  # which answers the rows of the batch belong to
    running = torch.ones(len(draws), dtype=torch.bool, device=vlm.device)
    for step in range(steps):
        tokens = pick(logits, uniform[rows, step], decoding.temperature, decoding.top_p)
        written[rows, step] = torch.where(running, tokens, -1)
        running = running & ~torch.isin(tokens, eos)
        left = int(running.sum())
        if left == 0 or step == steps - 1:
            break
        if left <= len(rows) // 2:  # halving keeps the cost of copying the cache below that of dead rows
            keep = running.nonzero().squeeze(-1)
            cache.batch_select_indices(keep)
            rows, mask, position, tokens, running = (x[keep] for x in (rows, mask, position, tokens, running))
        mask = F.pad(mask, (0, 1), value=1)
        embedded = vlm.base.get_input_embeddings()(tokens).unsqueeze(1)  # [rows, 1, D]
        logits = _next_logits(vlm, embedded, mask, position.unsqueeze(1), cache)
        position = position + 1
    answers = [_answer(vlm, [token for token in row if token >= 0]) for row in written.tolist()]
    return [answers[i : i + samples] for i in range(0, len(answers), samples)]


def _prefill(vlm: Vlm, prefixes: list[Prefix]) -> tuple[Tensor, Any, Tensor]:
    """Prefixes through the language model -> next-token logits [B, V], cache, attention mask [B, T]."""
    from transformers import DynamicCache

    cache = DynamicCache(config=vlm.config.get_text_config())
    shared = shared_prefixes(prefixes, least=1)
    if len(shared) < len(prefixes) and _may_share(vlm, prefixes):
        return _shared_prefill(vlm, shared, cache)
    stacked, mask, positions = left_padded(vlm, prefixes)
    return _next_logits(vlm, stacked, mask, positions, cache), cache, mask


def _shared_prefill(vlm: Vlm, shared: list[SharedPrefix], cache: Any) -> tuple[Tensor, Any, Tensor]:
    """Each head once; then its cache is copied for every branch, and the branches run behind it.

    Branches end together: the mask has a gap between a head and a shorter branch, the positions have none.
    """
    stacked, mask, positions = left_padded(vlm, [one.head for one in shared])
    _states(vlm, stacked, mask, positions, cache)
    places = sorted((member, g, b) for g, one in enumerate(shared) for b, member in enumerate(one.members))
    owners = torch.tensor([g for _, g, _ in places], device=vlm.device)
    branches = [shared[g].branches[b] for _, g, b in places]
    width = max(map(len, branches))
    lengths = torch.tensor([len(branch) for branch in branches], device=vlm.device)
    tokens = torch.tensor([[0] * (width - len(branch)) + branch for branch in branches], device=vlm.device)
    there = (torch.arange(width, device=vlm.device) >= width - lengths.unsqueeze(1)).long()  # [B, S]
    cache.batch_select_indices(owners)
    behind = mask.sum(dim=1)[owners].unsqueeze(1)
    positions = (behind + there.cumsum(dim=1) - 1).clamp(min=0)
    mask = torch.cat([mask[owners], there], dim=1)
    return _next_logits(vlm, vlm.base.get_input_embeddings()(tokens), mask, positions, cache), cache, mask


def _may_share(vlm: Vlm, prefixes: list[Prefix]) -> bool:
    """A sliding window counts the tokens of the cache, gaps included, so it takes the plain way."""
    text = vlm.config.get_text_config()
    window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    return window is None and sharing_is_exact(vlm)


def _next_logits(vlm: Vlm, embedded: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
    """One pass that extends the cache; float32 logits [B, V] after the last position."""
    states = _states(vlm, embedded, mask, positions, cache)
    logits: Tensor = vlm.base.get_output_embeddings()(states[:, -1]).float()
    logits[:, vlm.config.image_token_id] = -torch.inf
    logits[:, len(vlm.tokenizer) :] = -torch.inf  # rows of a padded embedding table that no text maps to
    return logits


def _states(vlm: Vlm, embedded: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
    """One pass that extends the cache; hidden states [B, T, D]."""
    states: Tensor = vlm.family.language_model(vlm.base)(
        inputs_embeds=embedded,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return states


def end_token_ids(vlm: Vlm) -> set[int]:
    """Tokens that end an answer: the generation config's and the tokenizer's. May be empty for odd
    checkpoints.
    """
    configured = getattr(getattr(vlm.base, "generation_config", None), "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return {int(token) for token in [*listed, vlm.tokenizer.eos_token_id] if token is not None}


def _answer(vlm: Vlm, token_ids: list[int]) -> Answer:
    text = vlm.tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Answer(tuple(token_ids), text.strip(), bool(token_ids) and token_ids[-1] in end_token_ids(vlm))
