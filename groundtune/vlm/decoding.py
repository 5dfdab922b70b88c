"""Continuous decoding: answers of many prompts advance together, and where one ends the next begins (ours).

What prompts about one image begin with is read once and held once, whatever their number and the number of answers to
each. A row of the batch is one answer; it costs memory for its own tokens alone.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from groundtune.vlm import attention
from groundtune.vlm.branches import packed_states
from groundtune.vlm.decoding_cache import DecodingCache, RecordingLayout, copied, refilled
from groundtune.vlm.loader import Vlm
from groundtune.vlm.memory import PREFILL_TOKENS
from groundtune.vlm.packing import Row, firsts
from groundtune.vlm.prefix_sharing import SharedPrefix, shared_prefixes
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding, Draws, next_logits, pick

OVERLAP = 2  # groups that a cache holds for every group whose rows fill it: answers of a group end at different times
ROWS_A_GROUP = 32  # at most: attention to what groups share takes as long as if all had the rows of the largest


@dataclass
class Answering:
    """One answer on its way. prompt: index among the prefixes; draw: its random numbers."""

    prompt: int
    sample: int
    draw: np.ndarray
    group: int
    tokens: list[int] = field(default_factory=list)


@dataclass
class _Ready:
    """An answer that waits for a row. own: keys and values of its prompt's own tokens [2, layers, H_kv, b, d]; logits:
    [V] of its first token."""

    answering: Answering
    own: Tensor
    logits: Tensor


class ContinuousDecoding:
    """`samples` answers to every prefix; see run. Needs a model for which sharing is exact (branches)."""

    def __init__(
        self,
        vlm: Vlm,
        prefixes: Sequence[Prefix],
        decoding: Decoding,
        samples: int,
        draws: Draws,
        ends: set[int],
        cache_tokens: int,
    ):
        self.vlm, self.decoding, self.draws, self.ends = vlm, decoding, draws, ends
        self.samples, self.cache_tokens = samples, cache_tokens
        shared = [part for one in shared_prefixes(prefixes) for part in _parts(one, samples)]
        self._waiting = deque(sorted(shared, key=lambda one: -len(one.head)))
        self._own_width = max(len(branch) for one in shared for branch in one.branches) + decoding.max_new_tokens
        self._shared_width = max(len(one.head) for one in shared)
        self._rows, self._groups = len(prefixes) * samples, len(shared)
        self._ready: deque[_Ready] = deque()
        self._live: list[Answering] = []
        self._unfinished: list[int] = []  # answers of each group in the cache that have not ended
        self._cache: DecodingCache | None = None

    def run(self) -> Iterator[Answering]:
        """The answers, as they end."""
        while True:
            yield from self._admit()
            if not self._live:
                return
            yield from self._step()

    def _step(self) -> Iterator[Answering]:
        """One more token of every row."""
        assert self._cache is not None
        positions = self._cache.begin_step()
        last = torch.tensor([one.tokens[-1] for one in self._live], device=self.vlm.device)
        embedded = self.vlm.base.get_input_embeddings()(last)  # [count, D]
        states = attention.run(self.vlm.family.language_model(self.vlm.base), embedded, positions, self._cache)
        ended = self._draw(self._live, next_logits(self.vlm, states))
        self._cache.remove_rows(ended)
        over = [self._live[i] for i in ended]
        refilled(self._live, ended)
        yield from self._ended(over)

    def _draw(self, answers: list[Answering], logits: Tensor) -> list[int]:
        """Give each answer its next token. Returns the indices of those that end with it."""
        draw = [one.draw[len(one.tokens)] for one in answers]
        uniform = torch.tensor(np.array(draw, dtype=np.float32), device=self.vlm.device)
        tokens = pick(logits, uniform, self.decoding.temperature, self.decoding.top_p).tolist()
        ended = []
        for i, (one, token) in enumerate(zip(answers, tokens, strict=True)):
            one.tokens.append(token)
            if token in self.ends or len(one.tokens) == self.decoding.max_new_tokens:
                ended.append(i)
        return ended

    def _admit(self) -> Iterator[Answering]:
        """Fill the free rows. Yields answers that end with their first token."""
        while (room := self._room()) and (self._ready or self._waiting):
            if not self._ready:
                self._read(room)
            assert self._cache is not None
            room = self._cache.capacity - self._cache.count
            begun = [self._ready.popleft() for _ in range(min(room, len(self._ready)))]
            ended = set(self._draw([one.answering for one in begun], torch.stack([one.logits for one in begun])))
            for i, one in enumerate(begun):
                if i not in ended:
                    self._cache.add_row(one.answering.group, one.own)
                    self._live.append(one.answering)
            yield from self._ended([begun[i].answering for i in sorted(ended)])

    def _room(self) -> int:
        """Rows that may begin now: none while a group of them could not be held."""
        if self._cache is None:
            return 1
        if not self._ready and self._cache.groups == self._cache.group_capacity:
            return 0
        return self._cache.capacity - self._cache.count

    def _read(self, room: int) -> None:
        """Prefill the next groups, as many as the free rows, the cache and one pass take."""
        groups: list[SharedPrefix] = []
        tokens = rows = 0
        while self._waiting:
            following = self._waiting[0]
            tokens += len(following.head) + sum(map(len, following.branches))
            held = self._cache is not None and self._cache.groups + len(groups) == self._cache.group_capacity
            if groups and (tokens > PREFILL_TOKENS or rows >= room or held):
                break
            groups.append(self._waiting.popleft())
            rows += len(following.members) * self.samples
        packed = [
            Row(i, len(one.head), tuple(range(len(one.branches))), tuple(map(len, one.branches)))
            for i, one in enumerate(groups)
        ]
        layouts: list[RecordingLayout] = []

        def recording(*of: object) -> RecordingLayout:
            layouts.append(RecordingLayout(*of))  # type: ignore[arg-type]
            return layouts[-1]

        states = packed_states(
            self.vlm, packed, [one.head for one in groups], [one.branches for one in groups], recording
        )
        (layout,) = layouts
        if self._cache is None:
            self._cache = self._new_cache(layout.recorded(0, 0))
        for row, first, one in zip(packed, firsts(packed), groups, strict=True):
            group = self._cache.add_group(layout.recorded(first, first + row.prefix_length))
            self._unfinished.append(len(one.members) * self.samples)
            lasts = [first + last for last in row.lasts()]
            logits = next_logits(self.vlm, states[torch.tensor(lasts, device=self.vlm.device)])
            for member, start, length, following_logits in zip(
                one.members, row.starts(), row.branch_lengths, logits, strict=True
            ):
                own = copied(layout.recorded(first + start, first + start + length))
                for sample in range(self.samples):
                    answering = Answering(member, sample, self.draws.of(member, sample), group)
                    self._ready.append(_Ready(answering, own, following_logits))

    def _new_cache(self, example: list[tuple[Tensor, Tensor]]) -> DecodingCache:
        """As many rows as cache_tokens hold with what their groups share; one row and one group at least."""
        rows, groups = self._rows, self._groups
        if rows * self._own_width + groups * self._shared_width > self.cache_tokens:
            overlapping = (OVERLAP if rows > groups else 1) * groups / rows  # groups held for every row
            rows = max(1, int(self.cache_tokens / (self._own_width + overlapping * self._shared_width)))
            groups = min(self._groups, max(1, int(overlapping * rows)))
        if example[0][0].is_cuda:
            # What an earlier cache left is of other sizes: cut up for this one it could neither hold it nor be freed.
            torch.cuda.empty_cache()
        return DecodingCache(rows, groups, self._shared_width, self._own_width, example)

    def _ended(self, answers: list[Answering]) -> list[Answering]:
        """Leave the groups whose last answer ended."""
        if not answers:
            return []
        assert self._cache is not None
        for one in answers:
            self._unfinished[one.group] -= 1
        for group in range(len(self._unfinished) - 1, -1, -1):
            if self._unfinished[group] == 0:
                last = self._cache.remove_group(group)
                refilled(self._unfinished, [group])
                for other in [*self._live, *(ready.answering for ready in self._ready)]:
                    if other.group == last:
                        other.group = group
        return answers


def _parts(shared: SharedPrefix, samples: int) -> Iterator[SharedPrefix]:
    """The prompts about an image, in groups of at most ROWS_A_GROUP answers whose prefill fits one pass; a prompt at
    least."""
    members: list[int] = []
    tokens = 0
    for i, branch in enumerate(shared.branches):
        full = (len(members) + 1) * samples > ROWS_A_GROUP or tokens + len(branch) > PREFILL_TOKENS
        if members and full:
            yield _part(shared, members)
            members, tokens = [], 0
        if not members:
            tokens = len(shared.head)
        members.append(i)
        tokens += len(branch)
    yield _part(shared, members)


def _part(shared: SharedPrefix, chosen: list[int]) -> SharedPrefix:
    return replace(
        shared, branches=[shared.branches[i] for i in chosen], members=[shared.members[i] for i in chosen]
    )
