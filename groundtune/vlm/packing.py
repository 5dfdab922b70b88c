"""Lay several branches of one prefix in a row, `[prefix | y1 | y2 | ...]`, and many such rows end to end in one pass.

Nothing is padded: rows of any length lie behind each other, and attention keeps them apart (PackedLayout).
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from groundtune.vlm.attention import repeated


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

    def lasts(self) -> list[int]:
        """Index in the row of what each branch ends with: its last token, the prefix's for an empty branch."""
        return [
            (start + length if length else self.prefix_length) - 1
            for start, length in zip(self.starts(), self.branch_lengths, strict=True)
        ]


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


def plan_batches(rows: list[Row], token_budget: int) -> list[list[Row]]:
    """Rows into passes of at most token_budget tokens, first fit with the longest first; a longer row goes alone."""
    batches: list[list[Row]] = []
    room: list[int] = []
    for row in sorted(rows, key=lambda row: row.length, reverse=True):
        place = next((i for i, left in enumerate(room) if row.length <= left), None)
        if place is None:
            batches.append([row])
            room.append(token_budget - row.length)
        else:
            batches[place].append(row)
            room[place] -= row.length
    return batches


def firsts(rows: list[Row]) -> list[int]:
    """Index of each row's first token when rows lie end to end."""
    return [0, *accumulate(row.length for row in rows[:-1])] if rows else []


def positions(rows: list[Row]) -> Tensor:
    """[N] int64 for rows laid end to end: every branch continues at the position after its prefix."""
    parts = []
    for row in rows:
        parts.append(torch.arange(row.prefix_length))
        parts += [row.prefix_length + torch.arange(length) for length in row.branch_lengths]
    return torch.cat(parts)


class PackedLayout:
    """A token sees itself, what precedes it in its own branch, and the prefix of its row; nothing else (see Layout).

    Exact, in two kinds of ordinary attention: the prefix causally, where the fused kernels skip what is masked, and
    branches over the prefix and themselves, with a mask of [their tokens, row] instead of [row, row]. Branches that
    are long together are taken in groups, so that no more is spent on pairs of tokens of different branches than on
    the prefix.
    """

    def __init__(self, rows: list[Row], dtype: torch.dtype, device: torch.device):
        self.rows = rows
        self._groups = [_groups(row) for row in rows]
        self._masks: dict[tuple[int, tuple[int, ...]], Tensor] = {}
        for row, groups in zip(rows, self._groups, strict=True):
            for group in groups:
                key = (row.prefix_length, group)
                if key not in self._masks:
                    self._masks[key] = _branch_mask(*key, dtype, device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """See Layout."""
        key, value = repeated(key, query.shape[1]), repeated(value, query.shape[1])
        seen = []
        at = 0
        for row, groups in zip(self.rows, self._groups, strict=True):
            behind = at + row.prefix_length
            own = slice(at, behind)
            seen.append(
                F.scaled_dot_product_attention(
                    query[:, :, own], key[:, :, own], value[:, :, own], is_causal=True, scale=scaling
                )
            )
            first = behind
            for group in groups:
                after = first + sum(group)
                seen.append(
                    F.scaled_dot_product_attention(
                        query[:, :, first:after],
                        _joined(key, at, behind, first, after),
                        _joined(value, at, behind, first, after),
                        attn_mask=self._masks[row.prefix_length, group],
                        scale=scaling,
                    )
                )
                first = after
            at = first
        return torch.cat(seen, dim=2)


def _joined(heads: Tensor, start: int, behind: int, first: int, after: int) -> Tensor:
    """The prefix [start, behind) and the group [first, after) of heads [1, H, N, d]; a view where they touch."""
    if first == behind:
        return heads[:, :, start:after]
    return torch.cat([heads[:, :, start:behind], heads[:, :, first:after]], dim=2)


def _groups(row: Row) -> list[tuple[int, ...]]:
    """Lengths of the row's branches, cut into groups of at most as many tokens as the prefix has (one branch at least).
    Empty branches have no tokens to see anything."""
    groups: list[list[int]] = []
    for length in row.branch_lengths:
        if not length:
            continue
        if groups and sum(groups[-1]) + length <= row.prefix_length:
            groups[-1].append(length)
        else:
            groups.append([length])
    return [tuple(group) for group in groups]


def _branch_mask(prefix_length: int, lengths: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Additive [1, 1, M, P + M], M = sum of lengths: 0 or the dtype's minimum."""
    member = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).to(device)  # [M]
    tokens = len(member)
    seen = (member.unsqueeze(1) == member) & torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
    width = prefix_length + tokens
    # The fused kernels want rows that begin at multiples of 16 bytes: a view of a wider tensor does.
    mask = torch.zeros(tokens, -(-width // 8) * 8, dtype=dtype, device=device)[:, :width]
    mask[:, prefix_length:].masked_fill_(~seen, torch.finfo(dtype).min)
    return mask.unsqueeze(0).unsqueeze(0)
