"""Log-probs of many answers that share an image and a prefix: the prefix is run once for all of them.

Ours. Exact, not an approximation: a 4-D mask keeps branches from seeing each other and every branch
continues at the position after the prefix (packing.py), so each token sees what it would see in a pass of
its own.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from groundtune.errors import RecordError
from groundtune.vlm import head
from groundtune.vlm.features import prefix_embeddings
from groundtune.vlm.loader import Vlm
from groundtune.vlm.packing import Row, plan_batches, plan_rows, positions_and_mask
from groundtune.vlm.plain import Branches, plain_logprobs, plain_next_logprobs
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sharing import shares_exactly

TOKEN_BUDGET = 16384


def branch_logprobs(
    vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches, *, token_budget: int = TOKEN_BUDGET
) -> list[list[Tensor]]:
    """For branch j of prefix i: float32 [len(branch)] log-probs (nats, temperature 1) of its tokens.

    Each token is given image, prefix and the preceding tokens of its own branch. Gradients flow where they
    are enabled. token_budget: padded tokens in one forward pass; a prefix whose branches exceed it is
    split over rows. Families, or lengths, for which sharing is not exact take one plain pass a branch.
    Raises RecordError for a branch that holds the image token.
    """
    _check(vlm, prefixes, branches)
    shared = [sharing_is_exact(vlm) and _fits(vlm, p, own) for p, own in zip(prefixes, branches, strict=True)]
    results = [[torch.empty(0, device=vlm.device)] * len(own) for own in branches]
    fed = [
        [list(branch[:-1]) if use else [] for branch in own]
        for use, own in zip(shared, branches, strict=True)
    ]
    wanted = [
        [j for j, branch in enumerate(own) if use and len(branch)]
        for use, own in zip(shared, branches, strict=True)
    ]
    for rows, states in _row_states(vlm, prefixes, fed, wanted, token_budget):
        places, reads, targets = [], [], []
        for b, row in enumerate(rows):
            for j, start in zip(row.branches, row.starts(), strict=True):
                branch = branches[row.prefix][j]
                places.append((row.prefix, j))
                reads += [(b, row.prefix_length - 1)] + [(b, start + t) for t in range(len(branch) - 1)]
                targets += list(branch)
        logprobs = head.target_logprobs(
            vlm.base.get_output_embeddings(), _at(states, reads), torch.tensor(targets, device=vlm.device)
        )
        sizes = [len(branches[i][j]) for i, j in places]
        for (i, j), values in zip(places, logprobs.split(sizes), strict=True):
            results[i][j] = values
    for i, use in enumerate(shared):
        if not use:
            results[i] = plain_logprobs(vlm, [prefixes[i]], [branches[i]])[0]
    return results


def branch_next_logprobs(
    vlm: Vlm,
    prefixes: Sequence[Prefix],
    branches: Branches,
    token_ids: Sequence[int],
    *,
    token_budget: int = TOKEN_BUDGET,
) -> list[list[Tensor]]:
    """For branch j of prefix i: float32 [len(token_ids)], the log-prob (nats) of each listed token right
    after the branch.

    An empty branch asks for the token right after the prefix. For yes/no scoring of many questions about
    one image.
    """
    _check(vlm, prefixes, branches)
    listed = torch.tensor(list(token_ids), dtype=torch.int64, device=vlm.device)
    results = [[torch.empty(0, device=vlm.device)] * len(own) for own in branches]
    shared = [sharing_is_exact(vlm) and _fits(vlm, p, own) for p, own in zip(prefixes, branches, strict=True)]
    fed = [[list(branch) for branch in own] for own in branches]
    wanted = [list(range(len(own))) if use else [] for use, own in zip(shared, branches, strict=True)]
    for rows, states in _row_states(vlm, prefixes, fed, wanted, token_budget):
        places, reads = [], []
        for b, row in enumerate(rows):
            for j, start, length in zip(row.branches, row.starts(), row.branch_lengths, strict=True):
                places.append((row.prefix, j))
                reads.append((b, start + length - 1 if length else row.prefix_length - 1))
        logprobs = head.listed_logprobs(vlm.base.get_output_embeddings(), _at(states, reads), listed)
        for (i, j), values in zip(places, logprobs, strict=True):
            results[i][j] = values
    for i, use in enumerate(shared):
        if not use:
            results[i] = plain_next_logprobs(vlm, [prefixes[i]], [branches[i]], token_ids)[0]
    return results


def sharing_is_exact(vlm: Vlm) -> bool:
    """Does this model give the same log-probs packed as plain? Tried once a loaded model on a small probe,
    then remembered.
    """
    if vlm.shares_prefixes is None:
        vlm.shares_prefixes = True  # the probe itself runs packed
        try:
            vlm.shares_prefixes = shares_exactly(vlm, branch_logprobs, plain_logprobs)
        except BaseException:
            vlm.shares_prefixes = None
            raise
    return vlm.shares_prefixes


def _row_states(
    vlm: Vlm,
    prefixes: Sequence[Prefix],
    fed: list[list[list[int]]],
    wanted: list[list[int]],
    token_budget: int,
) -> Iterator[tuple[list[Row], Tensor]]:
    """Run the wanted branches packed. Yields rows and their hidden states [B, T, D], a batch at a time."""
    chosen = [[own[j] for j in js] for own, js in zip(fed, wanted, strict=True)]
    lengths = [[len(tokens) for tokens in own] for own in chosen]
    rows = plan_rows([len(prefix.input_ids) for prefix in prefixes], lengths, token_budget)
    embed = vlm.base.get_input_embeddings()
    for batch in plan_batches(rows, token_budget):
        step = 8 if vlm.device.type == "cuda" else 1  # the fused attention wants aligned masks
        width = -(-max(row.length for row in batch) // step) * step
        embedded = []
        for row, prefix in zip(
            batch, prefix_embeddings(vlm, [prefixes[row.prefix] for row in batch]), strict=True
        ):
            tokens = [token for j in row.branches for token in chosen[row.prefix][j]]
            answer = embed(torch.tensor(tokens, dtype=torch.int64, device=vlm.device))  # [sum l, D]
            embedded.append(F.pad(torch.cat([prefix, answer]), (0, 0, 0, width - row.length)))
        positions, mask = positions_and_mask(batch, width, embedded[0].dtype, vlm.device)
        states = vlm.family.language_model(vlm.base)(
            inputs_embeds=torch.stack(embedded), attention_mask=mask, position_ids=positions, use_cache=False
        ).last_hidden_state
        yield (
            [
                Row(
                    row.prefix,
                    row.prefix_length,
                    tuple(wanted[row.prefix][j] for j in row.branches),
                    row.branch_lengths,
                )
                for row in batch
            ],
            states,
        )


def _at(states: Tensor, places: list[tuple[int, int]]) -> Tensor:
    """states [B, T, D] at (row, position) pairs -> [N, D]."""
    index = torch.tensor(places, dtype=torch.int64, device=states.device)
    return states[index[:, 0], index[:, 1]]


def _fits(vlm: Vlm, prefix: Prefix, branches: Sequence[Sequence[int]]) -> bool:
    """An explicit mask overrides a sliding window, so a sequence longer than the window must take the plain
    path.
    """
    text = vlm.config.get_text_config()
    window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    return window is None or len(prefix.input_ids) + max(map(len, branches), default=0) <= window


def _check(vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches) -> None:
    for prefix, own in zip(prefixes, branches, strict=True):
        if any(vlm.config.image_token_id in branch for branch in own):
            raise RecordError(
                prefix.record_id, "answer", f"contains the image token {vlm.processor.image_token!r}"
            )
