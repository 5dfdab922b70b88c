"""The branches of a batch of pairs: y_w and y_l under the image share one packed row, y_w under the corrupted image has
its own; all go through the model in one call, against references that were computed before."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundtune.errors import RecordError
from groundtune.training import objective
from groundtune.training.pair_data import PairExample
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.loader import Vlm


@dataclass(frozen=True)
class PairLogprobs:
    """Token log-probs, float32 [T], nats, of one pair's branches; corrupted: of y_w, None without a corrupted image."""

    chosen: Tensor
    rejected: Tensor
    corrupted: Tensor | None

    def __iter__(self):  # type: ignore[no-untyped-def]
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


def pair_logprobs(vlm: Vlm, pairs: Sequence[PairExample]) -> list[PairLogprobs]:
    """All branches of the pairs in one call."""
    corrupted = [pair for pair in pairs if pair.corrupted is not None]
    prefixes = [pair.prefix for pair in pairs] + [pair.corrupted for pair in corrupted if pair.corrupted]
    branches = [[pair.chosen, pair.rejected] for pair in pairs] + [[pair.chosen] for pair in corrupted]
    rows = branch_logprobs(vlm, prefixes, branches)
    behind = iter(rows[len(pairs) :])
    return [
        PairLogprobs(row[0], row[1], next(behind)[0] if pair.corrupted is not None else None)
        for pair, row in zip(pairs, rows, strict=False)
    ]


def references_of(pair: PairExample) -> PairLogprobs:
    """The reference log-probs that came with the pair."""
    return PairLogprobs(pair.chosen_reference, pair.rejected_reference, pair.corrupted_reference)


def rewards_of(
    pairs: Sequence[PairExample], policy: list[PairLogprobs], reference: list[PairLogprobs], beta: float
) -> Rewards:
    """Rewards of every branch. Raises RecordError that names the pair whose reward is not finite."""
    device = policy[0].chosen.device

    def summed(logprobs: list[PairLogprobs], side: str) -> Tensor:
        found = [getattr(one, side) for one in logprobs]
        return torch.stack([values.to(device).sum() for values in found if values is not None] or [empty[()]])

    empty = torch.zeros((), device=device)
    with_image = [i for i, pair in enumerate(pairs) if pair.corrupted is not None]
    rewards = {
        side: objective.reward(summed(policy, side), summed(reference, side), beta)
        for side in ("chosen", "rejected", "corrupted")
    }
    if not with_image:
        rewards["corrupted"] = rewards["corrupted"][:0]
    for side, values in rewards.items():
        for place in (~torch.isfinite(values.detach())).nonzero().flatten().tolist():
            pair = pairs[with_image[place] if side == "corrupted" else place]
            found = float(values.detach()[place])
            problem = f"of the {side} branch is {found}: lower learning_rate, or look at this pair"
            raise RecordError(pair.pair_id, "reward", problem)
    with torch.no_grad():
        kl = [
            objective.token_kl(new, old.to(device))
            for one, other in zip(policy, reference, strict=True)
            for new, old in zip(one, other, strict=True)
        ]
    return Rewards(
        rewards["chosen"],
        rewards["rejected"],
        torch.tensor(with_image, dtype=torch.int64, device=device),
        rewards["corrupted"],
        torch.stack(kl),
    )
