"""What a probe looks at: some yes/no questions, some images to describe, some preference pairs."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.question import Question
from groundtune.benchmarks.question_set import load_questions
from groundtune.benchmarks.registry import benchmark_named
from groundtune.settings import EvaluationSettings

Item = TypeVar("Item")
Chosen: TypeAlias = tuple[list[Question], dict[str, str]]  # and "benchmark <name>" or "vocabulary" -> sha256


def choose_questions(root: str, evaluation: EvaluationSettings, count: int, seed: int) -> Chosen:
    """`count` POPE questions whose label is yes: what is asked about is there, so it can be destroyed.

    POPE's splits ask the same of these; a question that several files hold is one. Empty without a POPE file.
    """
    questions, digests = _questions(root, evaluation, "pope")
    asked = [question for question in questions if question.truth == "yes"]
    distinct = {(question.image, question.text): question for question in reversed(asked)}
    return drawn(list(distinct.values()), count, seed, lambda question: question.record_id), digests


def choose_captions(root: str, evaluation: EvaluationSettings, count: int, seed: int) -> Chosen:
    """`count` images of the chair benchmark, each with the first instruction that asks to describe it."""
    asked, digests = _questions(root, evaluation, "chair")
    distinct = {question.image: question for question in reversed(asked)}
    return drawn(list(distinct.values()), count, seed, lambda question: question.record_id), digests


def choose_pairs(pairs: Artifact, count: int, seed: int) -> list[Row]:
    """`count` preference pairs."""
    return drawn(list(pairs.rows()), count, seed, lambda pair: str(pair["pair_id"]))


def drawn(items: Sequence[Item], count: int, seed: int, identity: Callable[[Item], str]) -> list[Item]:
    """The first `count` after a shuffle that depends on nothing but the seed and each item's own identity: what else is
    in the file, and in which order, does not move an item to another place."""

    def place(item: Item) -> bytes:
        return hashlib.sha256(f"{seed}:{identity(item)}".encode()).digest()

    return sorted(items, key=place)[:count]


def _questions(root: str, evaluation: EvaluationSettings, family: str) -> Chosen:
    """All questions of a family's files, in the order of the benchmarks' names, and the digests of what was read."""
    if not any(benchmark_named(name).family == family for name in evaluation.benchmarks):
        return [], {}
    asked = load_questions(root, evaluation, lambda benchmark: benchmark.family == family)
    return sorted(asked.questions, key=lambda question: question.benchmark), asked.digests
