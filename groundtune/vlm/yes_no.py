"""P(yes) renormalised over yes and no: which tokens begin either answer behind a prompt (ours)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundtune.errors import CheckpointError
from groundtune.vlm.branches import branch_next_logprobs
from groundtune.vlm.loader import PrefixChecker, Vlm
from groundtune.vlm.prefix_sharing import shared_prefixes
from groundtune.vlm.prompt import Prefix

_YES = ("Yes", "yes", "YES")
_NO = ("No", "no", "NO")


@dataclass(frozen=True)
class YesNoTokens:
    """Ids of the tokens that begin a yes and a no, each in its usual spellings."""

    yes: tuple[int, ...]
    no: tuple[int, ...]

    @property
    def token_ids(self) -> list[int]:
        """What to ask the model for (branch_next_logprobs), in the order that log_odds reads."""
        return [*self.yes, *self.no]

    def log_odds(self, logprobs: Tensor) -> Tensor:
        """log P(yes) - log P(no): logprobs [..., K] of token_ids, nats -> [...]. Its logistic is P(yes | yes or no)."""
        cut = len(self.yes)
        return torch.logsumexp(logprobs[..., :cut], -1) - torch.logsumexp(logprobs[..., cut:], -1)


@torch.no_grad()
def p_yes(vlm: Vlm, prefixes: Sequence[Prefix]) -> list[float]:
    """P(yes | yes or no) as the next word behind each prompt, in one pass; what prompts about one image begin with is
    read once. Raises CheckpointError (yes_no_tokens), also where the model's numbers are not finite."""
    if not prefixes:
        return []
    tokens = yes_no_tokens(vlm, prefixes[0].text)
    shared = shared_prefixes(prefixes)
    found = branch_next_logprobs(vlm, [one.head for one in shared], [one.branches for one in shared], tokens.token_ids)
    values = [0.0] * len(prefixes)
    for one, logprobs in zip(shared, found, strict=True):
        odds = tokens.log_odds(torch.stack(logprobs)).double()
        for member, log_odds, value in zip(one.members, odds.tolist(), odds.sigmoid().tolist(), strict=True):
            if not math.isfinite(log_odds):
                raise CheckpointError(
                    f'id="{prefixes[member].record_id}": log P(yes) - log P(no) is {log_odds}, expected a finite '
                    "number: the weights are damaged, or overflow in this precision"
                )
            values[member] = value
    return values


def yes_no_tokens(reader: PrefixChecker, prompt: str) -> YesNoTokens:
    """prompt: rendered, ready for the answer; only its end matters. Raises CheckpointError when yes and no begin
    alike."""
    yes, no = _first_tokens(reader, prompt, _YES), _first_tokens(reader, prompt, _NO)
    if set(yes) & set(no):
        raise CheckpointError("the tokenizer starts yes and no alike, so P(yes) cannot be read")
    return YesNoTokens(yes, no)


def _first_tokens(reader: PrefixChecker, prompt: str, words: tuple[str, ...]) -> tuple[int, ...]:
    """First token of each spelling, as it follows the rendered prompt."""
    encode = reader.tokenizer
    bare = encode(prompt, add_special_tokens=False)["input_ids"]
    found = set()
    for word in words:
        for glue in ("", " "):
            full = encode(prompt + glue + word, add_special_tokens=False)["input_ids"]
            if full[: len(bare)] == bare and len(full) > len(bare):
                found.add(full[len(bare)])
    blank = encode(prompt + " ", add_special_tokens=False)["input_ids"]
    found -= set(blank[-1:])  # a lone space says neither yes nor no
    if not found:
        raise CheckpointError(f"the tokenizer has no token that starts {words[0]!r} after the prompt")
    return tuple(sorted(found))
