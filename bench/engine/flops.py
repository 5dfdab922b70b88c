"""Useful arithmetic of a training step, counted from shapes: what the result needs, not what was spent on it.

A frozen linear layer costs 2 operations a weight and token forward and 2 backward to its input; LoRA 2 forward and 4
backward (input and weight). Attention counts the (query, key) pairs that may see each other. The head counts at answer
positions. Below the first layer's projections nothing needs a gradient. What gradient checkpointing and the head's
chunks compute again is overhead, as are padding, and a tower whose features are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.engine.sizes import Size


@dataclass(frozen=True)
class PackedRow:
    """A prefix and the answers behind it, in tokens."""

    prefix: int
    answers: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return self.prefix + sum(length - 1 for length in self.answers)  # an answer's last token is only predicted

    @property
    def seen(self) -> int:
        """Pairs of positions (query, key) that may see each other: causal, an answer sees the prefix and itself."""
        own = [length - 1 for length in self.answers]
        return _triangle(self.prefix) + sum(length * self.prefix + _triangle(length) for length in own)

    @property
    def scored(self) -> int:
        """Positions whose next token is scored."""
        return sum(self.answers)


def layer_weights(size: Size) -> int:
    """Weights of the linear layers of one decoder layer: q, k, v, o, gate, up, down."""
    return 4 * size.hidden**2 + 3 * size.hidden * size.inner


def lora_weights(size: Size) -> int:
    """LoRA weights of one decoder layer: r (in + out) for each linear layer."""
    return size.lora_rank * (4 * 2 * size.hidden + 3 * (size.hidden + size.inner))


def training_step(size: Size, rows: Sequence[PackedRow]) -> float:
    """Operations of forward and backward pass over packed rows. The last layer counts in full, although of the prefix's
    tokens only keys and values are of use there (2 % of a 7B model's step)."""
    tokens, seen, scored = (sum(getattr(row, name) for row in rows) for name in ("tokens", "seen", "scored"))
    frozen = 4 * layer_weights(size) * size.layers - 2 * 3 * size.hidden**2  # the first q, k, v pass no gradient on
    lora = 6 * lora_weights(size) * size.layers
    attention = (4 + 8) * size.hidden * size.layers  # two products forward, four backward, 2 operations each
    head = 4 * size.hidden * size.vocabulary
    return float(tokens * (frozen + lora) + seen * attention + scored * head)


def decoding_step(size: Size, lengths: Sequence[int]) -> float:
    """Operations of one new token in each row; lengths: tokens that each row's cache holds."""
    weights = 2 * (layer_weights(size) * size.layers + size.hidden * size.vocabulary)
    return float(len(lengths) * weights + sum(lengths) * 4 * size.hidden * size.layers)


def prefill(size: Size, prefix: int) -> float:
    """Operations of reading a prompt of `prefix` tokens up to the logits of its first new token."""
    layers = prefix * 2 * layer_weights(size) + _triangle(prefix) * 4 * size.hidden
    return float(layers * size.layers + 2 * size.hidden * size.vocabulary)


def _triangle(length: int) -> int:
    return length * (length + 1) // 2
