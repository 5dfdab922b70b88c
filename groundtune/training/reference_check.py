"""Before the first step: the reference of a drawn sample is computed again and compared, whatever its key says."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundtune.errors import ArtifactError
from groundtune.settings import TrainingSettings
from groundtune.training.branch_rewards import references_of
from groundtune.training.pair_data import PairData
from groundtune.training.pair_model import PairModel, named


@dataclass(frozen=True)
class Tolerance:
    """Nats. mean: of the absolute differences over all tokens of the sample; largest: of any token."""

    mean: float
    largest: float


# Of the same log-probs in other company (batch, kernels). A bfloat16 logit between 16 and 32 has a spacing of 0.125.
TOLERANCES = {
    torch.float32: Tolerance(1e-3, 1e-3),
    torch.bfloat16: Tolerance(0.05, 0.5),
    torch.float16: Tolerance(0.01, 0.1),
}


@torch.no_grad()
def check_reference(policy: PairModel, data: PairData, settings: TrainingSettings) -> float:
    """Recompute the reference of pairs drawn at random before hours are spent on a stale one: before the first step the
    policy is still what wrote it (a new LoRA starts at zero). Returns nats."""
    numbers = drawn(len(data.pairs), settings.reference_sample, settings.seed)
    if data.corrupted:
        with_image = [i for i, pair in enumerate(data.pairs) if pair["pair_id"] in data.corrupted]
        also = drawn(len(with_image), settings.reference_sample, settings.seed)
        numbers = sorted({*numbers, *(with_image[i] for i in also)})
    recomputed: list[Tensor] = []
    cached: list[Tensor] = []
    names: list[str] = []
    for start in range(0, len(numbers), settings.pairs_per_microbatch):
        examples = [data.example(number) for number in numbers[start : start + settings.pairs_per_microbatch]]
        for example, found in zip(examples, named(policy(examples)), strict=True):
            recomputed += [values.float().cpu() for values in found]
            cached += references_of(example)
            names += [example.pair_id for _ in found]
    return check_sample(recomputed, cached, names, policy.vlm.dtype)


def drawn(count: int, size: int, seed: int) -> list[int]:
    """`size` of the numbers below `count`, or all when there are fewer, at random by the seed; sorted."""
    return sorted(random.Random(seed).sample(range(count), min(size, count)))


def check_sample(
    recomputed: Sequence[Tensor], cached: Sequence[Tensor], names: Sequence[str], dtype: torch.dtype
) -> float:
    """Largest difference in nats a token between a recomputed sample and the cache; ArtifactError beyond tolerance."""
    tolerance = TOLERANCES[dtype]
    differences = [(new - old).abs() for new, old in zip(recomputed, cached, strict=True)]
    largest = torch.stack([difference.max() for difference in differences])
    at = int(largest.argmax())  # of one that is not a number, if there is one
    worst, mean = float(largest[at]), float(torch.cat(differences).mean())
    if not (worst <= tolerance.largest and mean <= tolerance.mean):
        raise ArtifactError(
            f'reference of "{names[at]}": cached and recomputed log-probs differ by {worst:.2g} nats, those of '
            f"{len(names):,} answers by {mean:.2g} on average; the tolerance for {dtype} is {tolerance.largest} and "
            f"{tolerance.mean}: run score_confidence, or score_corrupted for a corrupted image, again with the "
            "software and on the kind of device that trains"
        )
    return worst
