"""What a probe looks at: some yes/no questions, some images to describe, some preference pairs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from groundtune import storage
from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.question import Question
from groundtune.benchmarks.question_images import resolve_images
from groundtune.benchmarks.registry import benchmark_named
from groundtune.settings import EvaluationSettings

Item = TypeVar("Item")


def choose_questions(root: str, evaluation: EvaluationSettings, count: int, seed: int) -> list[Question]:
    """`count` POPE questions whose label is yes: what is asked about is there, so it can be destroyed.

    POPE's splits ask the same of these; a question that several files hold is one. Empty without a POPE file.
    """
    asked = [question for question in _questions(root, evaluation, "pope") if question.truth == "yes"]
    distinct = {(question.image, question.text): question for question in reversed(asked)}
    return drawn(list(distinct.values()), count, seed, lambda question: question.record_id)


def choose_captions(root: str, evaluation: EvaluationSettings, count: int, seed: int) -> list[Question]:
    """`count` images of the chair benchmark, each with the first instruction that asks to describe it."""
    asked = _questions(root, evaluation, "chair")
    distinct = {question.image: question for question in reversed(asked)}
    return drawn(list(distinct.values()), count, seed, lambda question: question.record_id)


def choose_pairs(pairs: Artifact, count: int, seed: int) -> list[Row]:
    """`count` preference pairs."""
    return drawn(list(pairs.rows()), count, seed, lambda pair: str(pair["pair_id"]))


def file_digests(root: str, evaluation: EvaluationSettings, families: Sequence[str]) -> dict[str, str]:
    """ "benchmark <name>" or "vocabulary" -> sha256 of its file, of the benchmarks of these families."""
    files = {f"benchmark {name}": file for name, file in _files(evaluation, families).items()}
    if evaluation.vocabulary and files:
        files["vocabulary"] = evaluation.vocabulary
    contents = {name: storage.read_bytes(storage.join(root, file)) for name, file in files.items()}
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def drawn(items: Sequence[Item], count: int, seed: int, identity: Callable[[Item], str]) -> list[Item]:
    """The first `count` after a shuffle that depends on nothing but the seed and each item's own identity: what else is
    in the file, and in which order, does not move an item to another place."""

    def place(item: Item) -> bytes:
        return hashlib.sha256(f"{seed}:{identity(item)}".encode()).digest()

    return sorted(items, key=place)[:count]


def _questions(root: str, evaluation: EvaluationSettings, family: str) -> list[Question]:
    """All questions of a family's files, in the order of the benchmarks' names."""
    vocabulary = storage.join(root, evaluation.vocabulary) if evaluation.vocabulary else ""
    loaded = [
        question
        for name, file in sorted(_files(evaluation, [family]).items())
        for question in benchmark_named(name, vocabulary).load(storage.join(root, file))
    ]
    return resolve_images(root, loaded)


def _files(evaluation: EvaluationSettings, families: Sequence[str]) -> Mapping[str, str]:
    return {name: file for name, file in evaluation.benchmarks.items() if benchmark_named(name).family in families}
