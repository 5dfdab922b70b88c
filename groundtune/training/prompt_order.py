"""Which prompts a step of simulated RLHF asks: those of the pairs, epoch after epoch in a new random order."""

import torch

from groundtune.digests import digest_of
from groundtune.settings import TrainingSettings
from groundtune.settings.baselines import RlhfSettings


class PromptOrder:
    """count: prompts. A place is a position in the order; each step takes prompts_per_step places."""

    def __init__(self, count: int, seed: int):
        self.count, self.seed = count, seed
        self._epoch: tuple[int, list[int]] = (-1, [])

    def __getitem__(self, place: int) -> int:
        """Number of the prompt at a place; it follows from seed and place alone, so a resumed run asks the same."""
        epoch, position = divmod(place, self.count)
        if self._epoch[0] != epoch:
            seed = int(digest_of(["order of prompts", self.seed, epoch])[:12], 16)
            generator = torch.Generator().manual_seed(seed)
            self._epoch = epoch, torch.randperm(self.count, generator=generator).tolist()
        return self._epoch[1][position]


def most_steps(prompts: int, training: TrainingSettings, rlhf: RlhfSettings) -> int:
    """Steps of `epochs` passes, the last one filled up from the next; with a budget of answer tokens the steps in which
    even answers of one token each would reach it."""
    if training.answer_tokens:
        return -(-training.answer_tokens // (rlhf.group * rlhf.prompts_per_step))
    return -(-prompts * training.epochs // rlhf.prompts_per_step)

