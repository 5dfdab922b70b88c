"""What an answer is about: its keywords with weights, by PageRank over a multipartite word graph (MFPO)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from groundtune.preferences.image_preference.keywords.phrases import Phrase, Tagger
from groundtune.preferences.image_preference.keywords.topics import topics_of
from groundtune.preferences.image_preference.keywords.word_graph import page_ranks, word_graph
from groundtune.settings.image_preference import ImagePreferenceSettings

_DIGITS = 9  # ranks that agree in so many are equal, and the earlier phrase goes first


@dataclass(frozen=True)
class Keyword:
    """phrase: lower case, as it stands in the answer. weight: PageRank share in [0, 1]; those of an answer sum to 1."""

    phrase: str
    weight: float


def keywords_of(texts: Sequence[str], tagger: Tagger, settings: ImagePreferenceSettings) -> list[list[Keyword]]:
    """The keywords of every text. A result does not depend on the other texts; equal texts are read once."""
    distinct = list(dict.fromkeys(texts))
    candidates = zip(distinct, tagger.phrases(distinct), strict=True)
    found = {text: rank_phrases(phrases, tagger, settings) for text, phrases in candidates}
    return [list(found[text]) for text in texts]


def extract_keywords(text: str, tagger: Tagger, settings: ImagePreferenceSettings) -> list[Keyword]:
    """At most `keywords_per_answer` keywords of one text, the heaviest first; [] when it names nothing."""
    return keywords_of([text], tagger, settings)[0]


def rank_phrases(phrases: Sequence[Phrase], tagger: Tagger, settings: ImagePreferenceSettings) -> list[Keyword]:
    """Keywords out of an answer's candidates: of each topic the phrase of highest rank, the earliest of equals.

    One topic alone gives its earliest phrase, weight 1. Two topics of one phrase each always weigh the same: in a graph
    of two nodes each passes all it has to the other.
    """
    # The order of the candidates must not matter, not even in the last digit of a sum.
    phrases = sorted(phrases, key=lambda phrase: (phrase.positions[0], phrase.text))
    topics = topics_of(phrases, settings.topic_threshold)
    if len(set(topics)) < 2:
        return [Keyword(phrase.text, 1.0) for phrase in phrases[:1]]
    graph = word_graph(phrases, topics, tagger.cosines(phrases), settings.distance_exponent, settings.position_decay)
    ranks = [round(float(rank), _DIGITS) for rank in page_ranks(graph, settings.damping)]
    return _weighted(_best_of_topics(phrases, topics, ranks)[: settings.keywords_per_answer])


def _best_of_topics(
    phrases: Sequence[Phrase], topics: Sequence[int], ranks: Sequence[float]
) -> list[tuple[Phrase, float]]:
    """One phrase a topic with its rank, the highest first. phrases: in order of appearance, which decides ties."""
    best: dict[int, tuple[Phrase, float]] = {}
    for phrase, topic, rank in zip(phrases, topics, ranks, strict=True):
        if topic not in best or rank > best[topic][1]:
            best[topic] = (phrase, rank)
    return sorted(best.values(), key=lambda entry: (-entry[1], entry[0].positions[0]))


def _weighted(best: Iterable[tuple[Phrase, float]]) -> list[Keyword]:
    best = list(best)
    total = sum(rank for _, rank in best)
    return [Keyword(phrase.text, rank / total) for phrase, rank in best]
