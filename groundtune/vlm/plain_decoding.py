"""The way to decode with models for which sharing is not exact: every prompt is read whole for each of its answers'
rows, in batches that end together.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from groundtune.vlm.decoding import Answering
from groundtune.vlm.features import left_padded
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding, Draws, next_logits, pick


def plain_decoding(
    vlm: Vlm,
    prefixes: Sequence[Prefix],
    decoding: Decoding,
    samples: int,
    draws: Draws,
    ends: set[int],
    cache_tokens: int,
) -> Iterator[Answering]:
    """`samples` answers to every prefix, as ContinuousDecoding.run gives them."""
    for batch in _batches(prefixes, samples, decoding.max_new_tokens, cache_tokens):
        answers = [Answering(i, k, draws.of(i, k), 0) for i in batch for k in range(samples)]
        _decode(vlm, [prefixes[i] for i in batch], decoding, samples, answers, ends)
        yield from answers


def _batches(prefixes: Sequence[Prefix], samples: int, steps: int, cache_tokens: int) -> list[list[int]]:
    """Prompts of similar length together, as many as the cache holds; one at least."""
    batches: list[list[int]] = []
    for i in sorted(range(len(prefixes)), key=lambda i: len(prefixes[i])):
        if batches and (len(batches[-1]) + 1) * samples * (len(prefixes[i]) + steps) <= cache_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _decode(
    vlm: Vlm, prefixes: list[Prefix], decoding: Decoding, samples: int, answers: list[Answering], ends: set[int]
) -> None:
    from transformers import DynamicCache

    cache = DynamicCache(config=vlm.config.get_text_config())
    embedded, mask, positions = left_padded(vlm, prefixes)
    last = _last_states(vlm, embedded, mask, positions, cache)
    cache.batch_repeat_interleave(samples)
    last, mask = last.repeat_interleave(samples, 0), mask.repeat_interleave(samples, 0)
    position = mask.sum(dim=1)  # [rows], of the next token
    running = [True] * len(answers)
    for step in range(decoding.max_new_tokens):
        uniform = torch.tensor(np.array([one.draw[step] for one in answers], dtype=np.float32), device=vlm.device)
        tokens = pick(next_logits(vlm, last), uniform, decoding.temperature, decoding.top_p)
        for i, token in enumerate(tokens.tolist()):
            if running[i]:
                answers[i].tokens.append(token)
                running[i] = token not in ends
        if not any(running) or step == decoding.max_new_tokens - 1:
            return
        mask = F.pad(mask, (0, 1), value=1)
        embedded = vlm.base.get_input_embeddings()(tokens).unsqueeze(1)  # [rows, 1, D]
        last = _last_states(vlm, embedded, mask, position.unsqueeze(1), cache)
        position = position + 1


def _last_states(vlm: Vlm, embedded: Tensor, mask: Tensor, positions: Tensor, cache: object) -> Tensor:
    """One pass that extends the cache; hidden states [B, D] of the last position."""
    states: Tensor = vlm.family.language_model(vlm.base)(
        inputs_embeds=embedded, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    ).last_hidden_state
    return states[:, -1]
