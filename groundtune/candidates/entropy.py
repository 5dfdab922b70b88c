"""Entropy of a pool of answers: how undecided the model is about a prompt."""

import math
from collections.abc import Sequence


def pool_entropy(confidences: Sequence[float]) -> float:
    """Entropy in nats over the distinct answers of one pool.

    confidences: mean token log-prob of each distinct answer, nats. An answer's mass is its length-normalised
    probability exp(confidence), normalised over the pool (ours; MFPO names entropy but not its distribution).
    0 for a single answer, log n for n equally likely ones.
    """
    top = max(confidences)
    masses = [math.exp(value - top) for value in confidences]
    total = sum(masses)
    return -sum(mass / total * math.log(mass / total) for mass in masses if mass > 0.0) + 0.0
