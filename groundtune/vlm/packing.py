"""Lay several branches of one prefix in a row, `[prefix | y1 | y2 | ...]`, and rows in batches under a token
budget.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Row:
    """One packed sequence: the prefix `prefix` followed by some of its branches."""

    prefix: int
    prefix_length: int
    branches: tuple[int, ...]
    branch_lengths: tuple[int, ...]

    @property
    def length(self) -> int:
        return self.prefix_length + sum(self.branch_lengths)

    def starts(self) -> list[int]:
        """Index in the row of each branch's first token."""
        starts, at = [], self.prefix_length
        for length in self.branch_lengths:
            starts.append(at)
            at += length
        return starts


def plan_rows(prefix_lengths: list[int], branch_lengths: list[list[int]], token_budget: int) -> list[Row]:
    """One row a prefix, or several when its branches exceed the budget together. A branch is never cut."""
    rows = []
    for i, (prefix_length, lengths) in enumerate(zip(prefix_lengths, branch_lengths, strict=True)):
        members: list[int] = []
        used = prefix_length
        for j, length in enumerate(lengths):
            if members and used + length > token_budget:
                rows.append(Row(i, prefix_length, tuple(members), tuple(lengths[m] for m in members)))
                members, used = [], prefix_length
            members.append(j)
            used += length
        if members:
            rows.append(Row(i, prefix_length, tuple(members), tuple(lengths[m] for m in members)))
    return rows


LEAST_FILLING = 0.85  # of a row in its batch: below that a pass of its own is cheaper than the padding
SMALL_BATCH = 2048  # padded tokens up to which a pass costs more than its padding


def plan_batches(rows: list[Row], token_budget: int) -> list[list[Row]]:
    """Rows of similar length together; rows x longest stays within the budget (a longer row goes alone)."""
    batches: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.length, reverse=True):
        longest = batches[-1][0].length if batches else 0
        padded = (len(batches[-1]) + 1) * longest if batches else 0
        if batches and padded <= token_budget and (row.length >= LEAST_FILLING * longest or padded <= SMALL_BATCH):
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def positions_and_mask(
    rows: list[Row], width: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Position ids [B, T] int64 and additive mask [B, 1, T, T] (0 or the dtype's minimum) for packed rows, T
    = width.

    Every branch continues at the position after the prefix. A token sees itself, what precedes it in its
    own branch, and the prefix; never another branch. Padding (right) sees the prefix and padding, and is
    seen by nothing before it.
    """
    positions = torch.zeros(len(rows), width, dtype=torch.int64)
    segments = torch.full((len(rows), width), -1, dtype=torch.int64)  # 0 prefix, 1.. branches, -1 padding
    for b, row in enumerate(rows):
        positions[b, : row.prefix_length] = torch.arange(row.prefix_length)
        segments[b, : row.prefix_length] = 0
        for number, (start, length) in enumerate(zip(row.starts(), row.branch_lengths, strict=True), start=1):
            positions[b, start : start + length] = row.prefix_length + torch.arange(length)
            segments[b, start : start + length] = number
    segments = segments.to(device)
    query, key = segments.unsqueeze(2), segments.unsqueeze(1)  # [B, T, 1], [B, 1, T]
    seen = ((query == key) | (key == 0)) & torch.ones(width, width, dtype=torch.bool, device=device).tril()
    mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, torch.finfo(dtype).min)
    return positions.to(device), mask.unsqueeze(1)
