"""Keys and values of answers that decode together: what a group shares is held and read once for all rows (ours)."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from groundtune.vlm.packing import PackedLayout, Row


class RecordingLayout(PackedLayout):
    """A packed pass whose keys and values are kept, layer by layer."""

    def __init__(self, rows: list[Row], dtype: torch.dtype, device: torch.device):
        super().__init__(rows, dtype, device)
        self._layers: list[tuple[Tensor, Tensor]] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """See Layout."""
        self._layers.append((key[0], value[0]))
        return super().attend(layer, query, key, value, scaling)

    def recorded(self, first: int, after: int) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the tokens [first, after), [H_kv, T, d] each, of every layer. Views."""
        return [(key[:, first:after], value[:, first:after]) for key, value in self._layers]


def copied(recorded: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Recorded keys and values on their own: [2, layers, H_kv, T, d]."""
    return torch.stack([torch.stack(both) for both in zip(*recorded, strict=True)])


class DecodingCache:
    """Up to `rows` answers, each behind the beginning that its group shares; the Layout of their next tokens.

    Rows lie densely in [0, count), groups in [0, groups): what ends is replaced by the last, so that attention and
    linear layers run on live rows alone. Lengths are in tokens.
    """

    def __init__(
        self, rows: int, groups: int, shared_width: int, own_width: int, example: list[tuple[Tensor, Tensor]]
    ):
        """example: recorded keys and values of any tokens, for number of layers, shape, dtype and device."""
        key = example[0][0]
        heads, _, size = key.shape
        self._shared = key.new_zeros(2, len(example), groups, heads, shared_width, size)
        self._own = key.new_zeros(2, len(example), rows, heads, own_width, size)
        self.capacity, self.group_capacity = rows, groups
        self._group_of: list[int] = []  # of every row
        self._own_lengths: list[int] = []
        self._shared_lengths: list[int] = []  # of every group

    @property
    def count(self) -> int:
        """Rows in use."""
        return len(self._group_of)

    @property
    def groups(self) -> int:
        """Groups in use."""
        return len(self._shared_lengths)

    def add_group(self, recorded: list[tuple[Tensor, Tensor]]) -> int:
        """The next group, from the recorded keys and values of its shared tokens. Returns its number."""
        length = recorded[0][0].shape[1]
        for layer, both in enumerate(recorded):
            for which, heads in enumerate(both):
                self._shared[which, layer, self.groups, :, :length] = heads
        self._shared_lengths.append(length)
        return self.groups - 1

    def add_row(self, group: int, own: Tensor) -> None:
        """The next row, from keys and values [2, layers, H_kv, b, d] of its own tokens (b may be 0)."""
        length = own.shape[3]
        self._own[:, :, self.count, :, :length] = own
        self._group_of.append(group)
        self._own_lengths.append(length)

    def remove_rows(self, gone: list[int]) -> None:
        """Rows that ended; the last ones take their places, in order (see `refilled`)."""
        if not gone:
            return
        width = max(self._own_lengths)
        places, sources = holes(self.count, gone)
        if places:
            for one in self._own.flatten(0, 1):  # a layer at a time: what is copied exists twice for a moment
                one[places, :, :width] = one[sources, :, :width]
        refilled(self._group_of, gone)
        refilled(self._own_lengths, gone)

    def remove_group(self, group: int) -> int:
        """A group without rows; the last group takes its number. Returns the number that the last one had."""
        last = self.groups - 1
        if group != last:
            width = self._shared_lengths[last]
            self._shared[:, :, group, :, :width] = self._shared[:, :, last, :, :width]
            self._group_of = [group if other == last else other for other in self._group_of]
        refilled(self._shared_lengths, [group])
        return last

    def begin_step(self) -> Tensor:
        """Make room for one more token of every row. Returns its positions [count] int64."""
        device = self._own.device
        self._at = torch.tensor(self._own_lengths, device=device)
        self._group_index = torch.tensor(self._group_of, device=device)
        met: Counter[int] = Counter()
        places = []  # of each row among those of its group
        for group in self._group_of:
            places.append(met[group])
            met[group] += 1
        self._place_index = torch.tensor(places, device=device)
        self._most = max(met.values())
        self._row_index = torch.arange(self.count, device=device)
        shared = torch.tensor(self._shared_lengths, device=device)[self._group_index]
        self._own_lengths = [length + 1 for length in self._own_lengths]
        self._widths = max(self._shared_lengths), max(self._own_lengths)
        hidden = [
            torch.arange(width, device=device) >= length.unsqueeze(1)
            for width, length in zip(self._widths, (shared, self._at + 1), strict=True)
        ]
        self._hidden = torch.cat(hidden, dim=1)[:, None, None]  # [count, 1, 1, P + L]
        return shared + self._at

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """See Layout: a row's new token sees what its group shares and its row's own tokens.

        The queries of a group are one matrix to the shared keys, which are thus read once a group, not once a row.
        """
        count, (before, behind) = self.count, self._widths
        heads = key.shape[1]
        own_keys, own_values = self._own[0, layer, :count], self._own[1, layer, :count]
        own_keys[self._row_index, :, self._at] = key[0].transpose(0, 1)
        own_values[self._row_index, :, self._at] = value[0].transpose(0, 1)
        shared_keys = self._shared[0, layer, : self.groups, :, :before]
        shared_values = self._shared[1, layer, : self.groups, :, :before]
        asked = query[0].transpose(0, 1).reshape(count, heads, -1, query.shape[-1])  # [count, H_kv, H / H_kv, d]
        to_shared = self._by_row(torch.matmul(self._by_group(asked), shared_keys.transpose(-1, -2)), asked.shape[2])
        to_own = torch.matmul(asked, own_keys[:, :, :behind].transpose(-1, -2))
        scores = torch.cat([to_shared, to_own], dim=-1).float().mul_(scaling).masked_fill_(self._hidden, -torch.inf)
        weights = scores.softmax(dim=-1).to(query.dtype)
        seen = self._by_row(torch.matmul(self._by_group(weights[..., :before]), shared_values), asked.shape[2])
        seen = seen + torch.matmul(weights[..., before:], own_values[:, :, :behind])
        return seen.reshape(1, count, query.shape[1], -1).transpose(1, 2)

    def _by_group(self, of_rows: Tensor) -> Tensor:
        """[count, H_kv, g, x] -> [groups, H_kv, most * g, x], zeros where a group has fewer rows."""
        _, heads, together, size = of_rows.shape
        grid = of_rows.new_zeros(self.groups, heads, self._most, together, size)
        grid[self._group_index, :, self._place_index] = of_rows
        return grid.view(self.groups, heads, self._most * together, size)

    def _by_row(self, of_groups: Tensor, together: int) -> Tensor:
        """The inverse of _by_group."""
        groups, heads, _, size = of_groups.shape
        return of_groups.view(groups, heads, self._most, together, size)[self._group_index, :, self._place_index]


def holes(count: int, gone: list[int]) -> tuple[list[int], list[int]]:
    """Which places of `count` must be filled when those of `gone` end, and from where: the last ones close the gaps."""
    left = count - len(gone)
    ended = set(gone)
    return sorted(i for i in ended if i < left), [i for i in range(left, count) if i not in ended]


def refilled(items: list[Any], gone: list[int]) -> None:
    """Remove the places `gone` of a list, in place; the last ones take their places (as `holes` says)."""
    for place, source in zip(*holes(len(items), gone), strict=True):
        items[place] = items[source]
    del items[len(items) - len(gone) :]
