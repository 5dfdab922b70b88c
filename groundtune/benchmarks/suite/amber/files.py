"""AMBER's published files, read as they are: queries, annotations, related words, safe words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundtune.benchmarks.question_files import QuestionFiles, QuestionLine
from groundtune.errors import SettingError

GENERATIVE = "generative"
# Type of an annotation -> the group that its question counts in.
GROUPS = {
    "discriminative-hallucination": "existence",
    "discriminative-attribute-state": "attribute.state",
    "discriminative-attribute-number": "attribute.number",
    "discriminative-attribute-action": "attribute.action",
    "discriminative-relation": "relation",
    "relation": "relation",
}
_DISCRIMINATIVE = tuple(f"query_discriminative-{group}.json" for group in ("existence", "attribute", "relation"))
# Task -> sets of files that hold its queries, the first complete set is read.
_QUERIES = {
    "": (
        ("query_all.json",),
        ("query_generative.json", "query_discriminative.json"),
        ("query_generative.json", *_DISCRIMINATIVE),
    ),
    GENERATIVE: (("query_generative.json",), ("query_all.json",)),
    "discriminative": (("query_discriminative.json",), _DISCRIMINATIVE, ("query_all.json",)),
}


@dataclass(frozen=True)
class Annotation:
    """kind: type of the annotation. truth: objects that are there, or "yes" or "no". hallu: objects that are likely to
    be invented; of generative questions only."""

    kind: str
    truth: list[str] | str
    hallu: list[str]


@dataclass(frozen=True)
class WordTables:
    """associates: every word that is annotated -> words that also stand for it, in the order of the file. vocabulary:
    all of these words. safe: words that are never an error."""

    associates: dict[str, list[str]]
    vocabulary: frozenset[str]
    safe: frozenset[str]


def read_queries(files: QuestionFiles, task: str) -> list[QuestionLine]:
    """The queries of a task, "" for both: {"id", "image", "query"}. query_all.json is read for a task only when the
    folder has no file of its own. (The published files differ in the text of one question, 13193.) They lie in the
    folder itself or, as in the published release, in `query/` below it."""
    sets = _QUERIES[task]
    for names in sets:
        places = [next((place for place in (name, f"query/{name}") if files.has(place)), "") for name in names]
        if all(places):
            return [line for place in places for line in files.records(place)]
    wanted = ", or ".join(" and ".join(names) for names in sets)
    raise SettingError("benchmarks", files.uri, f"AMBER's folder with {wanted}")


def read_annotations(files: QuestionFiles) -> dict[str, Annotation]:
    """id -> annotation, from annotations.json. Raises RecordError that names the entry."""
    return {line.record_id: _annotation(line) for line in files.records("annotations.json")}


def _annotation(line: QuestionLine) -> Annotation:
    kind = line.text("type")
    if kind == GENERATIVE:
        truth = line.strings("truth")
        if not truth:
            raise line.error("truth", "is empty, expected the objects of the picture")
        return Annotation(kind, truth, line.strings("hallu"))
    if kind not in GROUPS:
        raise line.error("type", f"is {kind!r}, expected one of {', '.join((GENERATIVE, *GROUPS))}")
    answer = line.text("truth")
    if answer not in ("yes", "no"):
        raise line.error("truth", f"is {answer!r}, expected yes or no")
    return Annotation(kind, answer, [])


def read_tables(files: QuestionFiles, annotations: Sequence[Annotation]) -> WordTables:
    """relation.json and safe_words.txt. Raises SettingError when an annotated word has no line in relation.json."""
    associates: Any = files.json("relation.json")
    if not isinstance(associates, dict) or not all(_is_words(words) for words in associates.values()):
        raise SettingError("benchmarks", files.place("relation.json"), "an object of lists of words")
    for annotation in annotations:
        for word in (*annotation.truth, *annotation.hallu) if annotation.kind == GENERATIVE else ():
            if word not in associates:
                raise SettingError(
                    "benchmarks", files.place("relation.json"), f"a line for {word!r}, which is annotated"
                )
    vocabulary = frozenset(associates).union(*associates.values())
    # splitlines: the file may have Windows' line ends, and "sign\r" would be no word.
    safe = frozenset(line for line in files.text("safe_words.txt").splitlines() if line)
    return WordTables(associates, vocabulary, safe)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
