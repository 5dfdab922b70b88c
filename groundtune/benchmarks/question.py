"""What a benchmark is: questions, a parser of answers, counts an image, metrics made of sums of counts."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from groundtune.artifacts import Row
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.tools import NO_TOOLS, Tools
from groundtune.digests import canonical_json

Kind = Literal["yes_no", "caption", "open"]
PREFERABLE = ("caption", "open")  # answers that a person can prefer to others; a yes or a no is right or wrong
Counts = dict[str, float]
Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """One question about one image.

    truth: a JSON value, a string ("yes") or for example a list of objects. kind decides how long an answer
    may get. category: what a table groups by (MME's task, AMBER's dimension), "" for none.
    """

    benchmark: str
    question_id: str
    image: str
    text: str
    truth: Any
    kind: Kind
    category: str = ""

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
    """A question with the model's answer and what the benchmark's parser read out of it.

    p_yes: P(yes | yes or no) of a yes/no question, None when it was not asked for. rating: what was read out of the
    judge's reply, "" when nothing was judged. generated: False when only P(yes) was asked for, and answer is "".
    """

    question: Question
    answer: str
    parsed: str
    p_yes: float | None = None
    rating: str = ""
    generated: bool = True


@dataclass(frozen=True)
class UnitCounts:
    """Counts summed within each unit of resampling: an image.

    units: U image references. columns: count name -> [U] float64.
    """

    units: tuple[str, ...]
    columns: Mapping[str, Array]


class Benchmark(ABC):
    """One benchmark. A subclass needs no vocabulary, judge or file to score: rows of an `answers` artifact are enough.

    family: `pope` of `pope_random`. readings: ways to read an answer; the first is the published one, the others are
    reported beside it. better: metric name -> "higher" or "lower" is better, or "" when neither is. averaged: metrics
    whose mean over the splits of a family (`family`_random, ...) is reported. judged: metrics that a judge's ratings
    make; without a judge they are refused, never replaced by another rule. malformed_rating: the rating of a reply
    that stays unreadable.
    """

    family: ClassVar[str]
    parser: ClassVar[str]
    readings: ClassVar[tuple[str, ...]] = ("official",)
    better: ClassVar[Mapping[str, str]]
    averaged: ClassVar[tuple[str, ...]] = ()
    judged: ClassVar[frozenset[str]] = frozenset()
    malformed_rating: ClassVar[str] = ""

    def __init__(self, name: str, tools: Tools = NO_TOOLS):
        """tools: needed to load questions and to parse answers, not to score rows that were parsed before."""
        self.name = name
        self.tools = tools

    @abstractmethod
    def load(self, files: QuestionFiles) -> list[Question]:
        """All questions of the published files. Raises RecordError or SettingError that name file and line."""

    def read_truth(self, text: str) -> Any:
        """The truth of a question, from its column of the `answers` artifact."""
        return text

    def answered(self, row: Row) -> Answered:
        """A row of an `answers` artifact, read back; needs nothing but the row."""
        question = Question(
            row["benchmark"],
            row["question_id"],
            row["image"],
            row["question"],
            self.read_truth(row["truth"]),
            row["kind"],
            row["category"],
        )
        return Answered(
            question, row["answer"], row["parsed"], row["p_yes"], row["rating"], row["answered_by"] != "p_yes"
        )

    @abstractmethod
    def parse(self, question: Question, answer: str) -> str:
        """What the answer says, as text: the `parsed` column."""

    @abstractmethod
    def correct(self, answered: Answered) -> bool | None:
        """Is the answer right? None when nothing says so (a judged answer without a judge)."""

    def judge_messages(self, answered: Answered) -> list[dict[str, str]] | None:
        """What a judge is asked about an answer, as chat messages; None when there is nothing to ask."""
        return None

    def read_verdict(self, reply: str) -> str | None:
        """The rating in a judge's reply, as text; None when the reply is malformed and should be asked for again."""
        raise NotImplementedError(f"{self.name} is not judged")

    def known_of(self, question: Question) -> str:
        """What the truth of a question tells a judge who does not see the image, as text; "" when it tells nothing."""
        truth = question.truth
        return ", ".join(truth) if isinstance(truth, list) and all(isinstance(one, str) for one in truth) else ""

    def readings_of(self, answered: Sequence[Answered]) -> tuple[str, ...]:
        """The readings that these answers allow; the first is the one that tables show first."""
        return self.readings

    def direction(self, metric: str) -> str:
        """ "higher", "lower" or "": which is better. `existence.f1` goes by `f1` unless it has a line of its own."""
        return self.better.get(metric) or self.better.get(metric.rpartition(".")[2], "")

    @abstractmethod
    def count(self, answered: Answered, reading: str) -> Counts:
        """What one answer adds to the benchmark's counts, every count named."""

    @abstractmethod
    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        """Summed counts of any shape -> metrics of that shape, in [0, 1] unless the metric says otherwise.

        A metric whose counts are not there (a task without a question, a rating without a judge) is left out.
        """

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


def row_of(answered: Answered, image_sha256: str, correct: bool | None, judgement: str = "") -> Row:
    """A row of an `answers` artifact. judgement: the judge's reply, "" when none was asked."""
    question = answered.question
    return {
        "benchmark": question.benchmark,
        "question_id": question.question_id,
        "kind": question.kind,
        "category": question.category,
        "image": question.image,
        "image_sha256": image_sha256,
        "question": question.text,
        "truth": question.truth_text,
        "answer": answered.answer,
        "answered_by": "generation" if answered.generated else "p_yes",
        "parsed": answered.parsed,
        "p_yes": answered.p_yes,
        "judgement": judgement,
        "rating": answered.rating,
        "correct": correct,
    }
