"""Sample K answers a prompt: one image encode and one prefill a prompt, then all answers decode together, and prompts
about one image share the prefill of all that they begin with (ours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from groundtune.vlm.branches import fits_window, sharing_is_exact
from groundtune.vlm.decoding import ContinuousDecoding
from groundtune.vlm.loader import PrefixChecker, Vlm
from groundtune.vlm.plain_decoding import plain_decoding
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding, Draws

CACHE_TOKENS = 65536  # the default of the settings: 32 GiB of keys and values for a 7B model in bfloat16


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

    The more prefixes at once the better: where an answer ends, the next prompt's begins.
    cache_tokens: tokens that the key-value cache may hold at a time; bounds memory and changes no answer.
    Temperature 0 decodes once and gives `samples` copies. The image token and ids outside the tokenizer are
    never drawn.
    """
    if len(seeds) != len(prefixes):
        raise ValueError(f"{len(prefixes)} prefixes but {len(seeds)} seeds")
    if not prefixes:
        return []
    samples = 1 if decoding.temperature == 0 else decoding.samples
    ends = end_token_ids(vlm)
    way = (vlm, prefixes, decoding, samples, Draws(seeds, decoding.max_new_tokens), ends, cache_tokens)
    drawn: list[list[Answer | None]] = [[None] * samples for _ in prefixes]
    longest = max(map(len, prefixes)) + decoding.max_new_tokens
    shares = sharing_is_exact(vlm) and fits_window(vlm, longest)
    for one in ContinuousDecoding(*way).run() if shares else plain_decoding(*way):
        drawn[one.prompt][one.sample] = read_answer(vlm.tokenizer, ends, one.tokens)
    answers = [[one for one in own if one is not None] for own in drawn]
    assert all(len(own) == samples for own in answers)
    return [own * (decoding.samples // samples) for own in answers]


def end_token_ids(vlm: Vlm) -> set[int]:
    """Tokens that end an answer of a loaded model; see `ending_ids`."""
    return ending_ids(getattr(vlm.base, "generation_config", None), vlm.tokenizer)


def ending_ids(generation_config: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer: the generation config's and the tokenizer's. May be empty for odd
    checkpoints.
    """
    configured = getattr(generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}


def forbidden_ids(reader: PrefixChecker) -> list[int]:
    """Ids that are never drawn: the image token, and rows of a padded embedding table that no text maps to."""
    return [reader.config.image_token_id, *range(len(reader.tokenizer), reader.config.get_text_config().vocab_size)]


def read_answer(tokenizer: Any, ends: set[int], token_ids: list[int]) -> Answer:
    """Sampled ids as an answer; `ends` as of `ending_ids`."""
    text = tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Answer(tuple(token_ids), text.strip(), bool(token_ids) and token_ids[-1] in ends)
