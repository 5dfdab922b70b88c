"""Entropy of a pool of answers: how undecided the model is about a prompt."""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence


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


def claim_entropy(confidences: Sequence[float], claims: Sequence[Collection[int]]) -> float:
    """Nats a claim: how undecided the pool is about each single thing that its answers say (ours).

    Long answers are all different as wholes, and the entropy over whole answers is then log n whatever they say.
    claims: for each answer the numbers of its claims. A claim's probability p is the mass of the answers that make it
    (masses as in pool_entropy); the result is the sum of the binary entropies h(p), divided by the claims that an
    answer makes on average. 0 when all answers make the same claims, or none makes any.
    """
    top = max(confidences)
    masses = [math.exp(value - top) for value in confidences]
    total = math.fsum(masses)
    held: dict[int, float] = defaultdict(float)
    for mass, made in zip(masses, claims, strict=True):
        for claim in set(made):
            held[claim] += mass / total
    made_on_average = math.fsum(held.values())
    return math.fsum(map(_binary_entropy, held.values())) / made_on_average if made_on_average else 0.0


def _binary_entropy(p: float) -> float:
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 1e-12) + 0.0
