"""The reward head: one number from an answer's hidden state, learnt from pairs (Bradley and Terry 1952)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from groundtune.candidates.reward.labels import Indices, LabelledPairs
from groundtune.settings import RewardSettings


@dataclass(frozen=True)
class RewardHead:
    """r(x) = (state - mean) . weight. mean, weight: [D] float32.

    Without a bias: Bradley-Terry knows differences of rewards only.
    """

    mean: Tensor
    weight: Tensor

    def rewards(self, states: Tensor) -> Tensor:
        """[N, D] -> [N] float32, in nats of the log-odds that an answer is the better one."""
        return (states.to(self.weight) - self.mean) @ self.weight


@dataclass(frozen=True)
class Learnt:
    """figures: how many pairs and prompts, accuracy and loss on both sides of the split, passes."""

    head: RewardHead
    figures: dict[str, Any]


def learn(states: Tensor, pairs: LabelledPairs, settings: RewardSettings) -> Learnt:
    """The head of least validation loss, -log sigma(r_better - r_worse). states: [N, D] float32, finite for all pairs.

    The weights begin at zero, each pass over all pairs is one AdamW step, and nothing is drawn but the split of the
    prompts: the same states give the same head. Of a prompt, all pairs are on one side of the split.
    """
    used, pairs = pairs.compact()
    states = states[torch.from_numpy(used)]
    validated = _validation(pairs.prompts, settings)
    learnt, held = pairs.of(np.setdiff1d(pairs.prompts, validated)), pairs.of(validated)
    seen = states[torch.from_numpy(learnt.compact()[0])]
    mean, spread = seen.mean(dim=0), seen.std(dim=0)
    # A feature that never changes tells nothing, and must not be blown up by a spread of rounding errors. The root lets
    # a step of the optimizer move the reward about as much in a model of any width.
    varies = spread > 1e-6 * mean.abs().clamp(min=1e-6)
    scale = torch.where(varies, 1 / spread, torch.zeros_like(spread)) / states.shape[1] ** 0.5
    features = (states - mean) * scale  # [N, D]
    weight = torch.zeros(features.shape[1], requires_grad=True)
    optimizer = torch.optim.AdamW([weight], lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best, least, epoch = weight.detach().clone(), float("inf"), 0
    for number in range(settings.epochs + 1):  # the zeros of the start are a candidate too: a constant reward
        rewards = features @ weight
        validation = float(bradley_terry(rewards.detach(), held))
        if validation < least:
            best, least, epoch = weight.detach().clone(), validation, number
        optimizer.zero_grad()
        bradley_terry(rewards, learnt).backward()
        optimizer.step()
    head = RewardHead(mean, best * scale)
    rewards = head.rewards(states)
    return Learnt(
        head,
        {
            "pairs": len(learnt),
            "prompts": len(learnt.prompts),
            "validation_pairs": len(held),
            "validation_prompts": len(held.prompts),
            "train_accuracy": accuracy(rewards, learnt),
            "validation_accuracy": accuracy(rewards, held),
            "train_loss": float(bradley_terry(rewards, learnt)),
            "validation_loss": least,
            "constant_loss": float(np.log(2)),  # of a reward that is the same for all answers; its accuracy is 1/2
            "epoch": epoch,
        },
    )


def bradley_terry(rewards: Tensor, pairs: LabelledPairs) -> Tensor:
    """-log sigma(r_better - r_worse), nats: mean over a prompt's pairs, then over prompts. rewards: [N] -> []."""
    gaps = rewards[torch.from_numpy(pairs.better)] - rewards[torch.from_numpy(pairs.worse)]
    return -(F.logsigmoid(gaps) * torch.from_numpy(pairs.weights).to(gaps)).sum()


def accuracy(rewards: Tensor, pairs: LabelledPairs) -> float:
    """Share of pairs whose better answer has the higher reward; a tie is half a hit. rewards: [N]."""
    gaps = rewards[torch.from_numpy(pairs.better)] - rewards[torch.from_numpy(pairs.worse)]
    return float((gaps > 0).double().mean() + (gaps == 0).double().mean() / 2)


def _validation(prompts: Indices, settings: RewardSettings) -> Indices:
    """Some of the prompts, drawn by the seed: at least one, and at least one is left."""
    count = min(max(round(settings.validation_share * len(prompts)), 1), len(prompts) - 1)
    return np.random.default_rng(settings.seed).permutation(prompts)[:count]
