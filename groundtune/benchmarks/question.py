"""What a benchmark is: questions, a parser of answers, counts an image, metrics made of sums of counts."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from groundtune.artifacts import Row
from groundtune.digests import canonical_json

Kind = Literal["yes_no", "caption"]
Counts = dict[str, float]
Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """One question about one image.

    truth: a JSON value, a string ("yes") or for example a list of objects. kind decides how long an answer
    may get.
    """

    benchmark: str
    question_id: str
    image: str
    text: str
    truth: Any
    kind: Kind

    @property
    def record_id(self) -> str:
        """Unique in an evaluation: the splits of one benchmark use the same question ids."""
        return f"{self.benchmark}/{self.question_id}"

    @property
    def truth_text(self) -> str:
        """truth as a column of the `answers` artifact: a string as it is, anything else as JSON."""
        return self.truth if isinstance(self.truth, str) else canonical_json(self.truth)


@dataclass(frozen=True)
class Answered:
    """A question with the model's answer and what the benchmark's parser read out of it."""

    question: Question
    answer: str
    parsed: str


@dataclass(frozen=True)
class UnitCounts:
    """Counts summed within each unit of resampling: an image.

    units: U image references. columns: count name -> [U] float64.
    """

    units: tuple[str, ...]
    columns: Mapping[str, Array]


class Benchmark(ABC):
    """One benchmark. A subclass needs no vocabulary, judge or file to score: rows of an `answers` artifact
    are enough.

    readings: ways to read an answer; the first is the published one, the others are reported beside it.
    better: metric name -> "higher" or "lower" is better, or "" when neither is. averaged: metrics whose mean
    over the splits of a family (`family`_random, ...) is reported.
    """

    kind: ClassVar[Kind]
    parser: ClassVar[str]
    readings: ClassVar[tuple[str, ...]] = ("official",)
    better: ClassVar[Mapping[str, str]]
    averaged: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str):
        self.name = name

    @property
    def family(self) -> str:
        """`pope` of `pope_random`."""
        return self.name.partition("_")[0]

    @abstractmethod
    def load(self, uri: str) -> list[Question]:
        """All questions of a file (path or s3 URI). Raises RecordError that names file and line."""

    def read_truth(self, text: str) -> Any:
        """The truth of a question, from its column of the `answers` artifact."""
        return text

    def answered(self, row: Row) -> Answered:
        """A row of an `answers` artifact, read back; needs nothing but the row."""
        truth = self.read_truth(row["truth"])
        question = Question(
            row["benchmark"], row["question_id"], row["image"], row["question"], truth, self.kind
        )
        return Answered(question, row["answer"], row["parsed"])

    @abstractmethod
    def parse(self, answer: str) -> str:
        """What the answer says, as text: the `parsed` column."""

    @abstractmethod
    def correct(self, question: Question, parsed: str) -> bool:
        """Is the parsed answer right?"""

    @abstractmethod
    def count(self, answered: Answered, reading: str) -> Counts:
        """What one answer adds to the benchmark's counts, every count named."""

    @abstractmethod
    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        """Summed counts of any shape -> metrics of that shape, in [0, 1] unless the metric says otherwise."""

    def score(self, answered: Sequence[Answered], reading: str = "official") -> UnitCounts:
        """Counts per image. Override when a count needs all questions of an image (MME's acc+)."""
        sums: dict[str, defaultdict[str, float]] = {}
        names: dict[str, None] = {}
        for one in answered:
            unit = sums.setdefault(one.question.image, defaultdict(float))
            for name, value in self.count(one, reading).items():
                unit[name] += value
                names[name] = None
        columns = {name: np.array([unit[name] for unit in sums.values()], dtype=np.float64) for name in names}
        return UnitCounts(tuple(sums), columns)

    def identity(self) -> dict[str, Any]:
        """What beside the question file decides a score; compared before two evaluations are."""
        return {"parser": self.parser}


def ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, elementwise; 0 where the denominator is 0 (precision without a positive
    answer).
    """
    out = np.zeros(np.broadcast(numerator, denominator).shape)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)


def row_of(answered: Answered, correct: bool) -> Row:
    """A row of an `answers` artifact."""
    question = answered.question
    return {
        "benchmark": question.benchmark,
        "question_id": question.question_id,
        "image": question.image,
        "question": question.text,
        "truth": question.truth_text,
        "answer": answered.answer,
        "parsed": answered.parsed,
        "correct": correct,
    }
