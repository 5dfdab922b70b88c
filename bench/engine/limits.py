"""What a machine can do at best: arithmetic and memory bandwidth, from the maker's sheet and by trial."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from bench.engine import flops
from bench.engine.clock import timed
from bench.engine.sizes import Size


@dataclass(frozen=True)
class Limit:
    """Operations a second, dense, in bfloat16; bytes a second of its memory. 0: no sheet is known."""

    operations: float
    bandwidth: float


# Data sheets: bfloat16 without sparsity; HBM.
CARDS = {
    "H200": Limit(989.4e12, 4.8e12),
    "H100": Limit(989.4e12, 3.35e12),
    "A100": Limit(312e12, 2.0e12),
    "L40S": Limit(362e12, 0.864e12),
}


def of_card(name: str) -> Limit:
    """By the card's name; Limit(0, 0) for one that is not listed."""
    return next((limit for card, limit in CARDS.items() if card in name), Limit(0.0, 0.0))


def by_trial(device: str, dtype: str) -> Limit:
    """What a large matrix product and a large copy reach here."""
    on_gpu = device != "cpu"
    side, bytes_copied = (8192, 2**31) if on_gpu else (1024, 2**26)
    a, b = (torch.randn(side, side, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    source = torch.empty(bytes_copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = _seconds(lambda: torch.mm(a, b))
    copy = _seconds(lambda: target.copy_(source))
    return Limit(2 * side**3 / product, 2 * bytes_copied / copy)  # a copy reads and writes


def decoding_seconds(
    size: Size, limit: Limit, prompts: int, samples: int, prefix: int, new_tokens: int, bytes_a_number: int
) -> tuple[float, str]:
    """Least seconds of a decoding step halfway through, and what sets it: each step reads all weights, the prefix of
    each prompt once, and what every row wrote itself."""
    written = new_tokens // 2
    a_token = 2 * size.hidden * size.layers * bytes_a_number
    weights = (flops.layer_weights(size) * size.layers + size.hidden * size.vocabulary) * bytes_a_number
    cached = (prompts * prefix + prompts * samples * written) * a_token
    rows = [prefix + written] * (prompts * samples)
    reading, computing = (weights + cached) / limit.bandwidth, flops.decoding_step(size, rows) / limit.operations
    return max(reading, computing), "bandwidth" if reading >= computing else "arithmetic"


def _seconds(work: Callable[[], object]) -> float:
    """Median of five, after two to warm up."""
    turns = []
    for _ in range(7):
        with timed() as seconds:
            work()
        turns.append(seconds())
    return median(turns[2:])
