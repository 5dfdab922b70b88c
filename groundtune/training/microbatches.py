"""Which pairs each process takes of each optimizer step: together they meet the pairs that one process alone would."""

from dataclasses import dataclass

from torch.utils.data import Dataset

from groundtune.settings import TrainingSettings
from groundtune.training.pair_data import PairData, PairExample


@dataclass(frozen=True)
class Microbatch:
    """Pairs of one forward and backward pass. counts: False for a stand-in, which keeps a process in step with the
    others when the last optimizer step has no pairs left for it: nothing of it enters gradient or log."""

    pairs: list[PairExample]
    counts: bool


class Microbatches(Dataset[Microbatch]):
    """The micro-batches of process `rank` of `count`, in order; `per_step` in every optimizer step but the last.

    A step's pairs are cut into micro-batches in the order of training; they are dealt out in turn. Every process has
    as many as the others, so that none waits for a gradient that never comes.
    """

    def __init__(self, data: PairData, settings: TrainingSettings, rank: int, count: int):
        self.data, self.rank, self.count = data, rank, count
        self.pairs_per_step = settings.pairs_per_step
        self.size = settings.microbatch_of(count)
        self.per_step = settings.pairs_per_step // (self.size * count)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.data), self.pairs_per_step)
        return whole * self.per_step + -(-rest // (self.size * self.count))

    def __getitem__(self, index: int) -> Microbatch:
        step, turn = divmod(index, self.per_step)
        first = step * self.pairs_per_step
        after = first + self.pairs_in(step)
        start = first + (turn * self.count + self.rank) * self.size
        if start >= after:
            return Microbatch([self.data[first]], counts=False)
        return Microbatch([self.data[i] for i in range(start, min(start + self.size, after))], counts=True)

    def pairs_in(self, step: int) -> int:
        """Pairs of one optimizer step, over all processes; fewer than pairs_per_step in the last one."""
        return min(self.pairs_per_step, len(self.data) - step * self.pairs_per_step)

