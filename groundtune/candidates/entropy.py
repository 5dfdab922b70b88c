"""Entropy of a pool of answers: how undecided the model is about a prompt."""

import math
from collections import defaultdict
from collections.abc import Sequence


def pool_entropy(confidences: Sequence[float], clusters: Sequence[int] | None = None) -> float:
    """Entropy in nats over the distinct answers of one pool, or over their clusters.

    confidences: mean token log-prob of each distinct answer, nats. clusters: for each answer the number of its cluster
    of meaning; None takes every answer for one of its own. An answer's mass is its length-normalised probability
    exp(confidence); a cluster has its members' mass together, normalised over the pool (ours; MFPO names entropy but
    not its distribution). 0 for a single cluster, log n for n equally heavy ones.
    """
    top = max(confidences)
    masses: dict[int, float] = defaultdict(float)
    for i, value in enumerate(confidences):
        masses[clusters[i] if clusters is not None else i] += math.exp(value - top)
    total = math.fsum(masses.values())
    return -sum(mass / total * math.log(mass / total) for mass in masses.values() if mass > 0.0) + 0.0
