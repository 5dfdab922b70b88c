"""The reference for packed branches, and the way for models that cannot run them: one ordinary forward pass a
branch.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from groundtune.vlm.features import placed
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix

Branches = Sequence[Sequence[Sequence[int]]]


def plain_logprobs(vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches) -> list[list[Tensor]]:
    """The reference: one ordinary forward pass of the whole model for every branch. Same result as
    branch_logprobs.
    """
    results = []
    for prefix, own in zip(prefixes, branches, strict=True):
        values = []
        for branch in own:
            if not len(branch):
                values.append(torch.empty(0, device=vlm.device))
                continue
            logits = _plain_logits(vlm, prefix, branch, list(range(len(branch))))
            targets = torch.tensor(list(branch), device=vlm.device)
            values.append(-F.cross_entropy(logits, targets, reduction="none"))
        results.append(values)
    return results


def plain_next_logprobs(
    vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches, token_ids: Sequence[int]
) -> list[list[Tensor]]:
    """Same result as branch_next_logprobs: float32 [len(token_ids)] a branch, nats."""
    listed = torch.tensor(list(token_ids), dtype=torch.int64, device=vlm.device)
    return [
        [_plain_logits(vlm, prefix, branch, [len(branch)])[0].log_softmax(dim=-1)[listed] for branch in own]
        for prefix, own in zip(prefixes, branches, strict=True)
    ]


def _plain_logits(vlm: Vlm, prefix: Prefix, branch: Sequence[int], offsets: list[int]) -> Tensor:
    """Float32 logits [len(offsets), V]; offset 0 is the position of the prefix's last token."""
    ids = (
        torch.cat([prefix.input_ids, torch.tensor(list(branch), dtype=torch.int64)])
        .unsqueeze(0)
        .to(vlm.device)
    )
    pixels = {key: placed(value, vlm) for key, value in prefix.pixels.items()}
    keep = torch.tensor(offsets, device=vlm.device) + len(prefix.input_ids) - 1
    output = vlm.model(
        input_ids=ids, attention_mask=torch.ones_like(ids), logits_to_keep=keep, use_cache=False, **pixels
    )
    logits: Tensor = output.logits[0].float()
    return logits
