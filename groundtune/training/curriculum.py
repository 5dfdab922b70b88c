"""In which order pairs are met: epochs inside curriculum stages, fixed before the first step.

A resumed run therefore meets the same pairs as an uninterrupted one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from groundtune.artifacts import Row
from groundtune.settings import TrainingSettings


@dataclass(frozen=True)
class Schedule:
    """order: index of the pair at every position. starts: optimizer step at which each stage begins; labels: the pairs'
    curriculum stage there (shuffled has a single one). steps: of all."""

    order: list[int]
    starts: list[int]
    labels: list[int]
    steps: int

    def stage_at(self, step: int) -> int:
        """Position of the stage that optimizer step `step` (from 0) belongs to, from 0."""
        return sum(step >= start for start in self.starts) - 1

    def span(self, stage: int) -> tuple[int, int]:
        """First step of a stage, and the step after its last."""
        return self.starts[stage], [*self.starts[1:], self.steps][stage]


def schedule_of(
    stages: Sequence[int],
    curriculum: str,
    epochs: int,
    pairs_per_step: int,
    seed: int,
    tokens: Sequence[int] = (),
    budget: int = 0,
) -> Schedule:
    """stages: curriculum stage of every pair. Each stage runs its epochs, every one in a new random order, before the
    next stage begins (MFPO: easy, then medium, then hard).

    curriculum: easy_to_hard, hard_to_easy, or shuffled (one stage of all pairs). No step mixes stages: the last step of
    a stage is filled up with the pairs that the stage began with; only the last stage may end with a smaller step.

    budget: above 0, the stages do not run `epochs`: pairs are met, epoch after epoch, until the tokens met reach it,
    each stage up to its share of all pairs' tokens; the last epoch of a stage is then a part of one. tokens: answer
    tokens of every pair, each above 0.
    """
    generator = torch.Generator().manual_seed(seed)
    found = sorted(set(stages), reverse=curriculum == "hard_to_easy")
    groups = [[i for i, stage in enumerate(stages) if stage == wanted] for wanted in found]
    if curriculum == "shuffled" or len(found) == 1:
        groups, found = [list(range(len(stages)))], found[:1]
    order: list[int] = []
    starts = []
    ahead, met_tokens = 0, 0  # tokens of the pairs of the stages so far, each once; tokens met
    for number, group in enumerate(groups):
        starts.append(len(order) // pairs_per_step)
        if budget:
            ahead += sum(tokens[i] for i in group)
            met = _until(group, tokens, budget * ahead / sum(tokens) - met_tokens, generator)
        else:
            met = [i for _ in range(epochs) for i in _shuffled(group, generator)]
        if number < len(groups) - 1:
            met += [met[i % len(met)] for i in range(-len(met) % pairs_per_step)]
        if budget:
            met_tokens += sum(tokens[i] for i in met)
        order += met
    return Schedule(order, starts, found, -(-len(order) // pairs_per_step))


def schedule_of_pairs(pairs: Sequence[Row], tokens: Sequence[int], settings: TrainingSettings) -> Schedule:
    """`schedule_of` rows of a pairs artifact under the settings of a training."""
    return schedule_of(
        [pair["curriculum_stage"] for pair in pairs],
        settings.curriculum,
        settings.epochs,
        settings.pairs_per_step,
        settings.seed,
        tokens,
        settings.answer_tokens,
    )


def _until(group: list[int], tokens: Sequence[int], wanted: float, generator: torch.Generator) -> list[int]:
    """Epochs of the group, the last one cut where the tokens reach `wanted`; at least one pair."""
    met: list[int] = []
    count = 0
    while True:
        for pair in _shuffled(group, generator):
            met.append(pair)
            count += tokens[pair]
            if count >= wanted:
                return met


def _shuffled(group: list[int], generator: torch.Generator) -> list[int]:
    return [group[i] for i in torch.randperm(len(group), generator=generator).tolist()]


def rate_factor(step: int, steps: int, warmup_ratio: float, schedule: str) -> float:
    """Share of the peak learning rate at `step` of `steps`: linear warm-up, then cosine or linear to 0, or constant."""
    warmup = round(warmup_ratio * steps)
    if step < warmup:
        return step / max(1, warmup)
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "cosine":
        return max(0.0, 0.5 * (1 + math.cos(math.pi * done)))
    return max(0.0, 1 - done) if schedule == "linear" else 1.0
