"""What the model makes of an answer as a whole: its last hidden states, pooled; of answers that share a prefix at once.

The states are those that the output embeddings would read: of the last decoder layer, after the final norm.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from groundtune.vlm.branches import TOKEN_BUDGET, check_branches, may_share, row_states
from groundtune.vlm.features import placed
from groundtune.vlm.loader import Vlm
from groundtune.vlm.packing import firsts
from groundtune.vlm.plain import Branches
from groundtune.vlm.prompt import Prefix


def answer_states(
    vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches, *, pooling: str, token_budget: int = TOKEN_BUDGET
) -> list[Tensor]:
    """For prefix i: float32 [len(branches[i]), D], a pooled state a branch. Branches have a token at least.

    pooling: "last", the state of the branch's last token, or "mean" over its tokens. Each token is given image, prefix
    and what precedes it in its own branch. token_budget: as for branch_logprobs; where sharing is not exact, a branch
    has a pass of its own. Raises RecordError for a branch that holds the image token.
    """
    check_branches(vlm, prefixes, branches)
    width = vlm.config.get_text_config().hidden_size
    pooled = [torch.empty(len(own), width, device=vlm.device) for own in branches]
    shared = may_share(vlm, prefixes, branches)
    fed = [[list(branch) for branch in own] for own in branches]
    wanted = [list(range(len(own))) if use else [] for use, own in zip(shared, branches, strict=True)]
    for rows, states in row_states(vlm, prefixes, fed, wanted, token_budget):
        for row, first in zip(rows, firsts(rows), strict=True):
            for j, start, length in zip(row.branches, row.starts(), row.branch_lengths, strict=True):
                pooled[row.prefix][j] = _pooled(states[first + start : first + start + length], pooling)
    for i in (i for i, use in enumerate(shared) if not use):
        for j, branch in enumerate(branches[i]):
            pooled[i][j] = _pooled(plain_states(vlm, prefixes[i], branch), pooling)
    return pooled


def plain_states(vlm: Vlm, prefix: Prefix, branch: Sequence[int]) -> Tensor:
    """Hidden states [len(branch), D] (model dtype) of a branch's tokens, from one ordinary pass of the whole model."""
    tokens = torch.tensor(list(branch), dtype=torch.int64)
    ids = torch.cat([prefix.input_ids, tokens]).unsqueeze(0).to(vlm.device)
    pixels = {key: placed(value, vlm) for key, value in prefix.pixels.items()}
    output = vlm.model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        logits_to_keep=1,
        use_cache=False,
        output_hidden_states=True,
        **pixels,
    )
    states: Tensor = output.hidden_states[-1][0, len(prefix.input_ids) :]
    return states


def _pooled(states: Tensor, pooling: str) -> Tensor:
    """[T, D] -> [D] float32."""
    return states[-1].float() if pooling == "last" else states.float().mean(dim=0)
