"""The branches of a batch of pairs, laid out so that nothing is run twice, and the rewards against references that were
computed before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundtune.errors import RecordError
from groundtune.training import objective
from groundtune.training.pair_data import PairExample
from groundtune.vlm.branches import TOKEN_BUDGET, branch_logprobs
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix

SIDES = ("chosen", "rejected", "corrupted")


@dataclass(frozen=True)
class PairLogprobs:
    """Token log-probs, float32 [T], nats, of one pair's branches; corrupted: of y_w, None without a corrupted image."""

    chosen: Tensor
    rejected: Tensor
    corrupted: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        return iter(branch for branch in (self.chosen, self.rejected, self.corrupted) if branch is not None)


@dataclass(frozen=True)
class Rewards:
    """Beta-scaled log-ratios. chosen, rejected: [B]. with_image: [C] indices of pairs that have a corrupted image;
    corrupted: [C], of their y_w under it. kl: [branches], see objective.token_kl."""

    chosen: Tensor
    rejected: Tensor
    with_image: Tensor
    corrupted: Tensor
    kl: Tensor


class SharedBranches:
    """Answers behind prefixes, every distinct prefix and every distinct answer behind it once, in the order in which
    they were asked for."""

    def __init__(self) -> None:
        self.prefixes: list[Prefix] = []
        self.branches: list[list[list[int]]] = []
        self._rows: dict[tuple[str, bytes], int] = {}
        self._places: dict[tuple[int, tuple[int, ...]], tuple[int, int]] = {}

    def place(self, prefix: Prefix, answer: Sequence[int]) -> tuple[int, int]:
        """(index of the prefix, index of the answer behind it) of a branch. Prefixes are one when the model sees the
        same: equal pixels after the image processor, and equal token ids."""
        row = self._rows.setdefault((prefix.image_key, prefix.input_ids.numpy().tobytes()), len(self.prefixes))
        if row == len(self.prefixes):
            self.prefixes.append(prefix)
            self.branches.append([])
        found = self._places.setdefault((row, tuple(answer)), (row, len(self.branches[row])))
        if found[1] == len(self.branches[row]):
            self.branches[row].append(list(answer))
        return found


def pair_logprobs(vlm: Vlm, pairs: Sequence[PairExample], *, one_pass: bool = False) -> list[PairLogprobs]:
    """All branches of the pairs in one call, results in the pairs' order. one_pass: the language model runs once,
    however many tokens that are.

    Shared: y_w and y_l of a pair lie behind one prefix (image and instruction). So do pairs of one prompt, whose prefix
    is the same, and an answer that several of them hold (one y_w against several y_l) is run once, its gradient being
    the sum of theirs.
    Not shared: y_w under a corrupted image. Through attention every hidden state behind the image depends on its
    pixels, so the corrupted image needs a prefix, and y_w behind it a branch, of its own; only pairs whose corrupted
    images are equal to the model share one.
    """
    layout = SharedBranches()
    clean = [(layout.place(pair.prefix, pair.chosen), layout.place(pair.prefix, pair.rejected)) for pair in pairs]
    behind = [layout.place(pair.corrupted, pair.chosen) if pair.corrupted else None for pair in pairs]
    rows = branch_logprobs(
        vlm, layout.prefixes, layout.branches, token_budget=None if one_pass else TOKEN_BUDGET
    )
    return [
        PairLogprobs(rows[w[0]][w[1]], rows[lost[0]][lost[1]], rows[under[0]][under[1]] if under else None)
        for (w, lost), under in zip(clean, behind, strict=True)
    ]


def references_of(pair: PairExample) -> PairLogprobs:
    """The reference log-probs that came with the pair."""
    return PairLogprobs(pair.chosen_reference, pair.rejected_reference, pair.corrupted_reference)


def rewards_of(
    pairs: Sequence[PairExample], policy: list[PairLogprobs], reference: list[PairLogprobs], beta: float
) -> Rewards:
    """Rewards of every branch. The references cross to the policy's device together, and the host waits for the device
    once. Raises RecordError that names the pair whose reward is not finite."""
    device = policy[0].chosen.device
    branches = [
        (side, i, getattr(one, side), getattr(base, side))
        for side in SIDES
        for i, (one, base) in enumerate(zip(policy, reference, strict=True))
        if getattr(one, side) is not None
    ]
    old = torch.cat([base for _, _, _, base in branches]).to(device, non_blocking=True)
    log_ratios = [
        new - base
        for (_, _, new, _), base in zip(branches, old.split([len(base) for *_, base in branches]), strict=True)
    ]
    rewards = objective.reward(torch.stack([log_ratio.sum() for log_ratio in log_ratios]), beta)
    _check_finite(rewards, [(side, pairs[i].pair_id) for side, i, *_ in branches])
    with_image = [i for side, i, *_ in branches if side == "corrupted"]
    chosen, rejected, corrupted = rewards.split([len(pairs), len(pairs), len(with_image)])
    kl = torch.stack([objective.token_kl(log_ratio.detach()) for log_ratio in log_ratios])
    places = torch.tensor(with_image, dtype=torch.int64).to(device, non_blocking=True)
    return Rewards(chosen, rejected, places, corrupted, kl)


def _check_finite(rewards: Tensor, names: list[tuple[str, str]]) -> None:
    finite = torch.isfinite(rewards.detach()).tolist()
    if all(finite):
        return
    side, pair_id = names[finite.index(False)]
    found = float(rewards.detach()[finite.index(False)])
    problem = f"of the {side} branch is {found}: lower learning_rate, or look at this pair"
    raise RecordError(pair_id, "reward", problem)
