"""POPE: does the model say that an object is there? (Li et al., EMNLP 2023; rules in BENCHMARKS.md)"""

import re
from collections.abc import Mapping
from typing import ClassVar

from groundtune.benchmarks.question import Answered, Array, Benchmark, Counts, Kind, Question, ratio
from groundtune.benchmarks.question_files import read_questions

LABELS = ("yes", "no")
_NEGATIVE = frozenset({"No", "not", "no"})
_STRICT = re.compile(r"(yes|no)\b", re.IGNORECASE)


class Pope(Benchmark):
    """JSON lines {question_id, image, text, label}; positive class = yes.

    Two readings. official: the published parser, which takes for "yes" whatever does not hold one of three
    words. strict (ours): yes, no, or other; other is wrong, and never a hit of either class. `yes_ratio`
    counts predictions; `unparsed` is the share of answers that strictly say neither.
    """

    kind: ClassVar[Kind] = "yes_no"
    parser: ClassVar[str] = "pope-official-1; strict reading pope-strict-1"
    readings: ClassVar[tuple[str, ...]] = ("official", "strict")
    better: ClassVar[Mapping[str, str]] = {
        "accuracy": "higher",
        "precision": "higher",
        "recall": "higher",
        "f1": "higher",
        "yes_ratio": "",
        "unparsed": "lower",
    }
    averaged: ClassVar[tuple[str, ...]] = ("accuracy", "f1")

    def load(self, uri: str) -> list[Question]:
        questions = []
        for line in read_questions(uri, "question_id"):
            label = line.text("label")
            if label not in LABELS:
                raise line.error("label", f"is {label!r}, expected yes or no")
            questions.append(
                Question(self.name, line.record_id, line.text("image"), line.text("text"), label, self.kind)
            )
        return questions

    def parse(self, answer: str) -> str:
        return official_reading(answer)

    def correct(self, question: Question, parsed: str) -> bool:
        return bool(parsed == question.truth)

    def count(self, answered: Answered, reading: str) -> Counts:
        strict = strict_reading(answered.answer)
        said = strict if reading == "strict" else answered.parsed
        truth = answered.question.truth
        return {
            "true_yes": float(truth == "yes" and said == "yes"),
            "false_yes": float(truth == "no" and said == "yes"),
            "true_no": float(truth == "no" and said == "no"),
            "actual_yes": float(truth == "yes"),
            "questions": 1.0,
            "unparsed": float(strict == "other"),
        }

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        hits, questions = totals["true_yes"], totals["questions"]
        predicted = hits + totals["false_yes"]
        return {
            "accuracy": ratio(hits + totals["true_no"], questions),
            "precision": ratio(hits, predicted),
            "recall": ratio(hits, totals["actual_yes"]),
            "f1": ratio(2 * hits, predicted + totals["actual_yes"]),
            "yes_ratio": ratio(predicted, questions),
            "unparsed": ratio(totals["unparsed"], questions),
        }


def official_reading(answer: str) -> str:
    """POPE's own parser, quirks included: the text before the first ".", commas deleted, split at single
    spaces.

    "no" when a token is exactly No, not or no, else "yes": so "NO", "No!", "" and a refusal are "yes", and so
    is "Well. No".
    """
    tokens = answer.split(".", 1)[0].replace(",", "").split(" ")
    return "no" if _NEGATIVE.intersection(tokens) else "yes"


def strict_reading(answer: str) -> str:
    """ours: "yes" or "no" when that is the answer's first word, in any case and after any punctuation, else
    "other".
    """
    match = _STRICT.match(answer.lstrip(" \t\r\n\"'`*([-:.,"))
    return match.group(1).lower() if match else "other"
