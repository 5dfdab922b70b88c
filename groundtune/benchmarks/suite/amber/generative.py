"""AMBER's generative task: which nouns of a description are in the picture, which are likely inventions (rules exactly
as the published script's, similarity and tagger pluggable)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from groundtune.benchmarks.suite.amber.files import WordTables
from groundtune.text.analysis import TextAnalyser

SIMILAR = 0.8  # above it two words count as one
Similarity = Callable[[str, str], float]


@dataclass(frozen=True)
class Matched:
    """What a description says of one image.

    nouns: how many of its nouns are in the vocabulary, repeats counted. hallucinated: those that are errors, in order.
    covered: positions in the annotated truth that it names. invented: positions in the annotated hallucinations.
    """

    nouns: int
    hallucinated: list[str]
    covered: list[int]
    invented: list[int]

    def to_mapping(self) -> dict[str, Any]:
        return asdict(self)


def nouns_of(text: str, analyser: TextAnalyser, tables: WordTables) -> list[str]:
    """Lemmas of the nouns (tags NN...) that the vocabulary has, in order, repeats kept. Case counts, as published."""
    nouns = [word.text for word in analyser.words(text) if word.tag.startswith("NN")]
    forms = (analyser.known_form(noun, tables.vocabulary) for noun in nouns)
    return [form for form in forms if form in tables.vocabulary]


def match(
    nouns: Sequence[str],
    truth: Sequence[str],
    hallu: Sequence[str],
    tables: WordTables,
    similarity: Similarity,
) -> Matched:
    """The checks in their published order, noun after noun:

    1. a safe word is no error; 2. a word of the truth or an associate of one covers the first such object; 3. a word
    of the hallucinations marks its target, and the first that is similar marks its own as well; 4. a word similar to
    one of the truth covers that and is no error; 5. anything else is hallucinated.

    Associates stand before the annotated words, so the first match may be an associate of another object. Of equal
    objects of the truth ("ship", "ship") only the first can be covered, but both count.
    """
    there, likely = _words_with_targets(truth, tables), _words_with_targets(hallu, tables)
    hallucinated: list[str] = []
    covered: set[int] = set()
    invented: set[int] = set()
    for noun in nouns:
        if noun in tables.safe:
            continue
        named = _equal(there, noun)
        if named is None:
            invented.update(
                target for target in (_equal(likely, noun), _similar(likely, noun, similarity)) if target is not None
            )
            named = _similar(there, noun, similarity)
        if named is None:
            hallucinated.append(noun)
        else:
            covered.add(named)
    return Matched(len(nouns), hallucinated, sorted(covered), sorted(invented))


def _words_with_targets(objects: Sequence[str], tables: WordTables) -> list[tuple[str, int]]:
    """All associates of all objects, then the objects, each with the position of its object."""
    associates = [(word, target) for target, name in enumerate(objects) for word in tables.associates[name]]
    return associates + [(name, target) for target, name in enumerate(objects)]


def _equal(words: Sequence[tuple[str, int]], noun: str) -> int | None:
    """Target of the first word that is the noun."""
    return next((target for word, target in words if word == noun), None)


def _similar(words: Sequence[tuple[str, int]], noun: str, similarity: Similarity) -> int | None:
    """Target of the first word that is like the noun."""
    return next((target for word, target in words if similarity(noun, word) > SIMILAR), None)
