"""Log-probs of many answers that share an image and a prefix: the prefix is run once for all of them.

Ours. Exact, not an approximation: attention keeps branches from seeing each other and every branch continues at the
position after the prefix (packing.py), so each token sees what it would see in a pass of its own.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from groundtune.errors import RecordError, SettingError
from groundtune.vlm import attention, head
from groundtune.vlm.attention import Layout
from groundtune.vlm.features import prefix_embeddings
from groundtune.vlm.loader import Vlm
from groundtune.vlm.packing import PackedLayout, Row, firsts, plan_batches, plan_rows, positions
from groundtune.vlm.plain import Branches, plain_logprobs, plain_next_logprobs
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sharing import shares_exactly

TOKEN_BUDGET = 16384


def branch_logprobs(
    vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches, *, token_budget: int | None = TOKEN_BUDGET
) -> list[list[Tensor]]:
    """For branch j of prefix i: float32 [len(branch)] log-probs (nats, temperature 1) of its tokens.

    Each token is given image, prefix and the preceding tokens of its own branch. Gradients flow where they
    are enabled. token_budget: tokens in one forward pass, none of them padding; a prefix whose branches exceed it is
    split over rows; None runs the language model exactly once, for processes that must keep in step.
    Families, or lengths, for which sharing is not exact take one plain pass a branch.
    Raises RecordError for a branch that holds the image token, SettingError when one pass cannot do it.
    """
    check_branches(vlm, prefixes, branches)
    shared = may_share(vlm, prefixes, branches)
    if token_budget is None and not all(shared):
        raise SettingError("sharding", "fsdp", "ddp: this model takes one pass an answer, FSDP needs equally many")
    results = [[torch.empty(0, device=vlm.device)] * len(own) for own in branches]
    fed = [
        [list(branch[:-1]) if use else [] for branch in own]
        for use, own in zip(shared, branches, strict=True)
    ]
    wanted = [
        [j for j, branch in enumerate(own) if use and len(branch)]
        for use, own in zip(shared, branches, strict=True)
    ]
    for rows, states in row_states(vlm, prefixes, fed, wanted, token_budget):
        places, reads, targets = [], [], []
        for row, first in zip(rows, firsts(rows), strict=True):
            for j, start in zip(row.branches, row.starts(), strict=True):
                branch = branches[row.prefix][j]
                places.append((row.prefix, j))
                reads += [first + row.prefix_length - 1, *range(first + start, first + start + len(branch) - 1)]
                targets += list(branch)
        answered = states[torch.tensor(reads, device=vlm.device)]
        wanted_ids = torch.tensor(targets, device=vlm.device)
        logprobs = head.target_logprobs(vlm.base.get_output_embeddings(), answered, wanted_ids)
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
    check_branches(vlm, prefixes, branches)
    listed = torch.tensor(list(token_ids), dtype=torch.int64, device=vlm.device)
    results = [[torch.empty(0, device=vlm.device)] * len(own) for own in branches]
    shared = may_share(vlm, prefixes, branches)
    fed = [[list(branch) for branch in own] for own in branches]
    wanted = [list(range(len(own))) if use else [] for use, own in zip(shared, branches, strict=True)]
    for rows, states in row_states(vlm, prefixes, fed, wanted, token_budget):
        places, reads = [], []
        for row, first in zip(rows, firsts(rows), strict=True):
            places += [(row.prefix, j) for j in row.branches]
            reads += [first + last for last in row.lasts()]
        answered = states[torch.tensor(reads, device=vlm.device)]
        logprobs = head.listed_logprobs(vlm.base.get_output_embeddings(), answered, listed)
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


def row_states(
    vlm: Vlm,
    prefixes: Sequence[Prefix],
    fed: list[list[list[int]]],
    wanted: list[list[int]],
    token_budget: int | None,
) -> Iterator[tuple[list[Row], Tensor]]:
    """Run the wanted branches packed. Yields rows, end to end, and their hidden states [N, D], a pass at a time."""
    chosen = [[own[j] for j in js] for own, js in zip(fed, wanted, strict=True)]
    lengths = [[len(tokens) for tokens in own] for own in chosen]
    rows = plan_rows([len(prefix.input_ids) for prefix in prefixes], lengths, token_budget or sys.maxsize)
    for batch in [rows] if token_budget is None else plan_batches(rows, token_budget):
        states = packed_states(vlm, batch, [prefixes[row.prefix] for row in batch], chosen, PackedLayout)
        yield [replace(row, branches=tuple(wanted[row.prefix][j] for j in row.branches)) for row in batch], states


def packed_states(
    vlm: Vlm,
    rows: list[Row],
    prefixes: list[Prefix],
    branches: list[list[list[int]]],
    layout: Callable[[list[Row], torch.dtype, torch.device], Layout],
) -> Tensor:
    """Hidden states [N, D] of rows laid end to end in one pass. prefixes: of each row. branches: token ids of all
    branches, by the number of the prefix and of the branch that the rows name."""
    embed = vlm.base.get_input_embeddings()
    tokens = [token for row in rows for j in row.branches for token in branches[row.prefix][j]]
    answers = embed(torch.tensor(tokens, dtype=torch.int64, device=vlm.device))  # [sum of all branches, D]
    own = answers.split([sum(row.branch_lengths) for row in rows])
    parts = [part for pair in zip(prefix_embeddings(vlm, prefixes), own, strict=True) for part in pair]
    embedded = torch.cat(parts)
    decoder = vlm.family.language_model(vlm.base)
    return attention.run(decoder, embedded, positions(rows).to(vlm.device), layout(rows, embedded.dtype, vlm.device))


def fits_window(vlm: Vlm, length: int) -> bool:
    """Shared attention knows no sliding window, so a sequence longer than the window must take the plain path."""
    text = vlm.config.get_text_config()
    window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    return window is None or length <= window


def may_share(vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches) -> list[bool]:
    """Of every prefix: may its branches be packed behind it?"""
    return [
        sharing_is_exact(vlm) and fits_window(vlm, len(prefix) + max(map(len, own), default=0))
        for prefix, own in zip(prefixes, branches, strict=True)
    ]


def check_branches(vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches) -> None:
    """Raises RecordError for a branch that holds the image token."""
    for prefix, own in zip(prefixes, branches, strict=True):
        if any(vlm.config.image_token_id in branch for branch in own):
            raise RecordError(
                prefix.record_id, "answer", f"contains the image token {vlm.processor.image_token!r}"
            )
