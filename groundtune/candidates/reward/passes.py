"""One pass of the base model over pools, part by part: what is done already is not done again."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from groundtune.artifacts import parts_of
from groundtune.candidates.pools import Pool
from groundtune.candidates.reward.kept import KeptTensors
from groundtune.candidates.reward.pools import states_of
from groundtune.images import ImageStore
from groundtune.progress import Progress
from groundtune.settings import RewardSettings
from groundtune.vlm.loader import Vlm

_VALUES = "values"


@dataclass(frozen=True)
class Measured:
    """values: [N, ...] float32 of the answers of some pools, in their order, NaN for those in `problems`. problems:
    candidate id -> [field, problem]."""

    values: Tensor
    problems: dict[str, list[str]]


@dataclass(frozen=True)
class Passes:
    """kept: where finished parts wait."""

    vlm: Vlm
    store: ImageStore
    settings: RewardSettings
    kept: KeptTensors
    progress: Progress

    def over(self, pools: list[Pool], label: str, made: Callable[[Tensor], Tensor]) -> Measured:
        """made: what is kept of the hidden states [n, D] of a part, [n, ...]. label: name of these parts."""
        values: list[Tensor] = []
        problems: dict[str, list[str]] = {}
        for number, part in parts_of(pools, self.settings.prompts_per_part):
            name = f"{label}-{number:05d}.safetensors"
            if name in self.kept:
                tensors, found = self.kept.get(name)
                values.append(tensors[_VALUES])
                self.progress.skip(len(part))
            else:
                states, found = states_of(self.vlm, part, self.store, self.settings)
                values.append(made(states))
                self.kept.put(name, {_VALUES: values[-1]}, found)
                self.progress.add(len(part))
            problems |= found
        return Measured(torch.cat(values) if values else torch.empty(0), problems)
