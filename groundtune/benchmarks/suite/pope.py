"""POPE: does the model say that an object is there? (Li et al., EMNLP 2023; rules in BENCHMARKS.md)"""

from collections.abc import Mapping
from typing import ClassVar

from groundtune.benchmarks.question import Answered, Array, Counts, Question, ratio
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.yes_no_answers import STRICT, YesNoBenchmark, said, unparsed

LABELS = ("yes", "no")
_NEGATIVE = frozenset({"No", "not", "no"})


class Pope(YesNoBenchmark):
    """JSON lines {question_id, image, text, label}; positive class = yes.

    Two readings. official: the published parser, which takes for "yes" whatever does not hold one of three
    words. strict (ours): yes, no, or other; other is wrong, and never a hit of either class. p_yes: the likelier of
    the two, where P(yes) was asked for. `yes_ratio` counts predictions; `unparsed` is the share of answers that
    strictly say neither.
    """

    family: ClassVar[str] = "pope"
    parser: ClassVar[str] = f"pope-official-1; {STRICT}"
    better: ClassVar[Mapping[str, str]] = {
        "accuracy": "higher",
        "precision": "higher",
        "recall": "higher",
        "f1": "higher",
        "yes_ratio": "",
        "unparsed": "lower",
    }
    averaged: ClassVar[tuple[str, ...]] = ("accuracy", "f1")

    def load(self, files: QuestionFiles) -> list[Question]:
        questions = []
        for line in files.records(id_field="question_id"):
            label = line.text("label")
            if label not in LABELS:
                raise line.error("label", f"is {label!r}, expected yes or no")
            question = line.text("text")
            questions.append(Question(self.name, line.record_id, line.text("image"), question, label, "yes_no"))
        return questions

    def parse(self, question: Question, answer: str) -> str:
        return official_reading(answer)

    def count(self, answered: Answered, reading: str) -> Counts:
        answer, truth = said(answered, reading), answered.question.truth
        return {
            "true_yes": float(truth == "yes" and answer == "yes"),
            "false_yes": float(truth == "no" and answer == "yes"),
            "true_no": float(truth == "no" and answer == "no"),
            "actual_yes": float(truth == "yes"),
            "questions": 1.0,
            "unparsed": unparsed(answered, reading),
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
