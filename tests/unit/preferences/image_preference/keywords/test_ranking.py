"""Promises of topics, of the word graph with its PageRank, and of the keywords that come out."""

import dataclasses
import itertools
import random

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.errors import SettingError
from groundtune.preferences.image_preference.keywords.phrases import Phrase
from groundtune.preferences.image_preference.keywords.plain_tagger import PlainTagger
from groundtune.preferences.image_preference.keywords.ranking import extract_keywords, keywords_of, rank_phrases
from groundtune.preferences.image_preference.keywords.topics import topics_of
from groundtune.preferences.image_preference.keywords.word_graph import edge_weights, page_ranks, word_graph
from groundtune.preferences.image_preference.keywords.word_similarity import trigram_cosines, vector_cosines
from groundtune.settings import ImagePreferenceSettings
from tests.unit.preferences.image_preference.keywords.captions import GOLDEN

tagger = PlainTagger()
defaults = ImagePreferenceSettings()
options = st.builds(
    ImagePreferenceSettings,
    keywords_per_answer=st.integers(1, 6),
    distance_exponent=st.sampled_from([0.0, 0.5, 1.0, 3.0, 1e4]),
    position_decay=st.sampled_from([0.0, 0.02, 1.0, 1e6]),
    damping=st.sampled_from([0.0, 0.5, 0.85, 1.0]),
    topic_threshold=st.sampled_from([0.01, 0.5, 1.0]),
)
words = st.sampled_from(
    ("a", "red", "blue", "cup", "cups", "plate", "dog", "dogs", "is", "on", "the", "two", "bus", ",", "\n")
)
answers = st.lists(words, max_size=40).map(" ".join)


def phrases(*places: tuple[str, int]) -> list[Phrase]:
    return [Phrase(text, (position,)) for text, position in places]


def ranks_of(
    candidates: list[Phrase],
    phi: float = 1.0,
    decay: float = 0.0,
    alike: np.ndarray | None = None,
    damping: float = 0.85,
) -> np.ndarray:
    cosines = np.eye(len(candidates)) if alike is None else alike
    return page_ranks(word_graph(candidates, range(len(candidates)), cosines, phi, decay), damping)


# Topics


def test_phrases_that_share_half_of_their_words_are_one_topic():
    found = topics_of(phrases(("red cup", 0), ("table", 3), ("cups", 6), ("blue cup", 9)), 0.5)
    assert found == [0, 1, 0, 2]  # "blue cup" has 1/2 with "cups" but 1/3 with "red cup": 5/12 on average


def test_the_threshold_decides_what_is_one_topic():
    candidates = phrases(("red cup", 0), ("cup", 3), ("blue cup", 6), ("dog", 9))
    assert topics_of(candidates, 1.0) == [0, 1, 2, 3]
    assert topics_of(candidates, 0.4) == [0, 0, 0, 1]


def test_no_phrases_have_no_topics():
    assert topics_of([], 0.5) == []


# The graph


def test_edges_run_between_topics_only_and_both_ways():
    candidates = phrases(("red cup", 0), ("cup", 3), ("dog", 6))
    graph = word_graph(candidates, [0, 0, 1], np.eye(3), 1.0, 0.0)
    assert sorted(graph.edges) == [(0, 2), (1, 2), (2, 0), (2, 1)]


def test_an_edge_weighs_what_the_formula_says():
    candidates = [Phrase("dog", (1, 10)), Phrase("cat", (4,))]
    cosines = np.array([[1.0, 0.5], [0.5, 1.0]])
    weights = edge_weights(candidates, cosines, distance_exponent=2.0, position_decay=0.1)
    near, far = 1 / (1 + 3**2), 1 / (1 + 6**2)
    # The decay counts from the earliest phrase, at 1.
    assert weights[0, 1] == pytest.approx((near + far) * np.exp(-0.1 * 3) * 0.75)
    assert weights[1, 0] == pytest.approx((near * 1 + far * np.exp(-0.1 * 9)) * 0.75)


def test_page_ranks_of_three_phrases_are_those_of_a_power_iteration_by_hand():
    text = "A dog sits on the grass beside a red cup."
    found = tagger.phrases([text])[0]
    assert [(phrase.text, phrase.positions) for phrase in found] == [("dog", (1,)), ("grass", (5,)), ("red cup", (8,))]
    cosines = tagger.cosines(found)
    weight = {}
    for i, j in itertools.permutations(range(3), 2):
        (li,), (lj,) = found[i].positions, found[j].positions
        weight[i, j] = 1 / (1 + abs(li - lj) ** 1.0) * np.exp(-0.02 * lj) * (1 + cosines[i, j]) / 2
    rank = [1 / 3] * 3
    for _ in range(400):
        rank = [
            0.15 / 3
            + 0.85
            * sum(rank[i] * weight[i, j] / sum(weight[i, k] for k in range(3) if k != i) for i in range(3) if i != j)
            for j in range(3)
        ]
    graph = word_graph(found, [0, 1, 2], cosines, 1.0, 0.02)
    assert page_ranks(graph, 0.85) == pytest.approx(rank, abs=1e-12)
    keywords = {keyword.phrase: keyword.weight for keyword in extract_keywords(text, tagger, defaults)}
    assert keywords == pytest.approx(dict(zip(["dog", "grass", "red cup"], rank, strict=True)), abs=1e-8)


@pytest.mark.parametrize("damping", [0.0, 0.5, 0.85, 0.99])
def test_page_ranks_are_networkx_page_ranks(damping):
    found = tagger.phrases([" ".join(GOLDEN)])[0]
    topics = topics_of(found, 0.5)
    graph = word_graph(found, topics, tagger.cosines(found), 1.0, 0.02)
    theirs = nx.pagerank(graph, alpha=damping, weight="weight", tol=1e-12, max_iter=10_000)
    assert page_ranks(graph, damping) == pytest.approx([theirs[node] for node in range(len(found))], abs=1e-8)


def test_a_graph_without_edges_ranks_all_phrases_alike():
    graph = word_graph(phrases(("cup", 0), ("red cup", 4)), [0, 0], np.ones((2, 2)), 1.0, 0.0)
    assert page_ranks(graph, 0.85) == pytest.approx([0.5, 0.5])


def test_a_larger_phi_takes_rank_from_the_phrase_that_stands_apart():
    candidates = phrases(("dog", 0), ("cup", 2), ("tree", 12))
    apart = [ranks_of(candidates, phi=phi)[2] for phi in (0.0, 0.5, 1.0, 2.0)]
    assert apart[0] == pytest.approx(1 / 3) and apart == sorted(apart, reverse=True) and apart[-1] < 0.9 * apart[0]


def test_a_larger_lambda_takes_rank_from_late_phrases_and_gives_it_to_early_ones():
    candidates = phrases(("dog", 0), ("cup", 5), ("tree", 10))
    ranks = [ranks_of(candidates, decay=decay) for decay in (0.0, 0.02, 0.1)]
    assert ranks[0][0] == pytest.approx(ranks[0][2])
    assert ranks[0][0] < ranks[1][0] < ranks[2][0] and ranks[0][2] > ranks[1][2] > ranks[2][2]


def test_a_larger_cosine_gives_rank_to_the_two_phrases_that_are_alike():
    candidates = phrases(("dog", 0), ("cup", 5), ("tree", 10))
    ranks = []
    for cosine in (-0.5, 0.0, 0.9):
        alike = np.eye(3)
        alike[0, 1] = alike[1, 0] = cosine
        ranks.append(ranks_of(candidates, alike=alike))
    assert ranks[0][2] > ranks[1][2] > ranks[2][2]
    assert ranks[0][0] < ranks[1][0] < ranks[2][0]


def test_without_damping_all_phrases_are_equal():
    assert ranks_of(phrases(("dog", 0), ("cup", 5), ("tree", 6)), damping=0.0) == pytest.approx([1 / 3] * 3)


def test_ranks_that_are_not_unique_name_the_damping():
    graph = nx.DiGraph([(0, 1), (1, 0), (2, 3), (3, 2)])
    with pytest.raises(SettingError, match="damping"):
        page_ranks(graph, 1.0)


# Word similarity


def test_trigrams_see_spelling():
    cosines = trigram_cosines(["dog", "dogs", "red cup", "cup"])
    assert cosines[0, 1] == pytest.approx(2 / np.sqrt(3 * 4))  # ^do dog og$ against ^do dog ogs gs$
    assert cosines[0, 3] == 0 and 0 < cosines[2, 3] < 1
    assert np.allclose(cosines, cosines.T) and np.all(np.diag(cosines) == 1)


def test_an_unknown_word_is_like_itself_only():
    assert np.array_equal(vector_cosines(np.array([[0.0, 0.0], [1.0, 1.0]])), np.eye(2))


# Keywords


def test_a_phrase_that_comes_back_leads():
    text = "A dog sits on a bench. The dog looks at a tree. Behind the dog there is a cup."
    assert extract_keywords(text, tagger, defaults)[0].phrase == "dog"


def test_a_topic_gives_its_highest_phrase_and_of_equals_the_earliest():
    text = "A cup and a plate. The red cup. The red cup. A dog."
    found = {keyword.phrase for keyword in extract_keywords(text, tagger, defaults)}
    assert "red cup" in found and "cup" not in found
    equal = phrases(("red cup", 0), ("cup", 2), ("dog", 1))
    flat = dataclasses.replace(defaults, distance_exponent=0.0, position_decay=0.0, damping=0.0)
    assert [keyword.phrase for keyword in rank_phrases(equal, tagger, flat)] == ["red cup", "dog"]


def test_a_text_that_names_nothing_has_no_keywords():
    assert keywords_of(["", "It is very nice here.", "!?"], tagger, defaults) == [[], [], []]
    assert keywords_of([], tagger, defaults) == []


def test_a_single_topic_has_all_the_weight():
    (only,) = extract_keywords("There is a red cup. The cup is big. Two cups!", tagger, defaults)
    assert (only.phrase, only.weight) == ("red cup", 1.0)


def test_the_order_of_the_candidates_does_not_matter():
    found = tagger.phrases([" ".join(GOLDEN)])[0]
    expected = rank_phrases(found, tagger, defaults)
    for seed in range(5):
        shuffled = random.Random(seed).sample(found, len(found))
        assert rank_phrases(shuffled, tagger, defaults) == expected


def test_keywords_do_not_depend_on_their_batch():
    texts = [*GOLDEN, *list(GOLDEN)[::-1]]
    assert keywords_of(texts, tagger, defaults) == [extract_keywords(text, tagger, defaults) for text in texts]


@given(answers, options)
@settings(max_examples=300, deadline=None)
def test_weights_are_shares_of_at_most_k_keywords_in_falling_order(text, chosen):
    found = extract_keywords(text, tagger, chosen)
    candidates = {phrase.text for phrase in tagger.phrases([text])[0]}
    assert bool(found) == bool(candidates) and len(found) <= chosen.keywords_per_answer
    assert {keyword.phrase for keyword in found} <= candidates and len({k.phrase for k in found}) == len(found)
    weights = [keyword.weight for keyword in found]
    assert weights == sorted(weights, reverse=True) and all(0 <= weight <= 1 for weight in weights)
    assert not found or sum(weights) == pytest.approx(1)
    assert found == extract_keywords(text, tagger, chosen)
