"""MFPO's multipartite word graph and its PageRank.

The paper names the parts of an edge's weight (distance, cosine, positional decay); how they are combined is ours, as
its public text leaves that open. The edge from phrase i to phrase j of another topic weighs

    sum over occurrences l_i, l_j of  1 / (1 + |l_i - l_j|^phi) * exp(-lambda * l_j) * (1 + cos(i, j)) / 2

The decay takes the position of the target: PageRank divides a phrase's outgoing weights by their sum, so a factor of
the source would cancel. The cosine is moved to [0, 1], so that two phrases without a common trait stay connected.
"""

from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from groundtune.errors import SettingError
from groundtune.preferences.image_preference.keywords.phrases import Phrase

# No edge vanishes, however strong the decay: the graph stays complete between topics.
_LEAST_WEIGHT = 1e-150


def word_graph(
    phrases: Sequence[Phrase],
    topics: Sequence[int],
    cosines: NDArray[np.float64],
    distance_exponent: float,
    position_decay: float,
) -> nx.DiGraph:
    """Nodes 0..N-1 are the phrases (attributes `phrase`, `topic`); edges run between topics only, with a `weight`.

    cosines: [N, N] of the phrases' words, in [-1, 1]. distance_exponent: phi. position_decay: lambda, per word.
    """
    graph = nx.DiGraph()
    for node, (phrase, topic) in enumerate(zip(phrases, topics, strict=True)):
        graph.add_node(node, phrase=phrase.text, topic=topic)
    weights = edge_weights(phrases, cosines, distance_exponent, position_decay)
    graph.add_weighted_edges_from(
        (source, target, max(float(weights[source, target]), _LEAST_WEIGHT))
        for source in range(len(phrases))
        for target in range(len(phrases))
        if topics[source] != topics[target]
    )
    return graph


def edge_weights(
    phrases: Sequence[Phrase], cosines: NDArray[np.float64], distance_exponent: float, position_decay: float
) -> NDArray[np.float64]:
    """[N, N], from row to column, whatever the topics: the formula above for all pairs of phrases."""
    owners = np.repeat(np.arange(len(phrases)), [len(phrase.positions) for phrase in phrases])
    positions = np.array([position for phrase in phrases for position in phrase.positions], np.float64)
    with np.errstate(over="ignore"):  # a huge phi makes far phrases infinitely far
        closeness = 1 / (1 + np.abs(positions[:, None] - positions) ** distance_exponent)
    # What all targets have in common cancels, so the earliest phrase may count as the start: nothing underflows early.
    decay = np.exp(-position_decay * (positions - positions.min()))
    belongs = (owners == np.arange(len(phrases))[:, None]).astype(np.float64)  # [N, occurrences]
    weights: NDArray[np.float64] = belongs @ (closeness * decay) @ belongs.T * (1 + cosines) / 2
    return weights


def page_ranks(graph: nx.DiGraph, damping: float) -> NDArray[np.float64]:
    """[N] PageRank of the nodes in their order, summing to 1: the fixed point of nx.google_matrix, solved directly.

    It equals nx.pagerank(graph, alpha=damping) at its limit. These graphs have a few dozen nodes at most, where one
    dense solution is both exact and several times faster than the sparse iteration.
    """
    size = len(graph)
    transition = np.asarray(nx.google_matrix(graph, alpha=damping, weight="weight"))
    equations = transition.T - np.eye(size)
    equations[-1] = 1.0  # one equation follows from the others; in its place: the ranks sum to 1
    try:
        ranks = np.linalg.solve(equations, np.eye(size)[-1])
    except np.linalg.LinAlgError as error:
        raise SettingError("damping", damping, "less than 1: without a restart these ranks are not unique") from error
    return np.clip(ranks, 0.0, 1.0)
