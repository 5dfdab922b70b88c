"""MME: fourteen tasks of yes/no questions, two an image (Fu et al., 2023; rules in BENCHMARKS.md)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from groundtune.benchmarks.question import Answered, Array, Counts, Question, UnitCounts, ratio
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.mme_files import COGNITION, PERCEPTION, QUESTIONS_AN_IMAGE, TASKS, read_asked
from groundtune.benchmarks.suite.yes_no_answers import STRICT, YesNoBenchmark, said, unparsed

OTHER = "other"
_READ = 4  # characters in which the official parser looks for yes and no


class Mme(YesNoBenchmark):
    """Perception (10 tasks, at most 2000) and cognition (4 tasks, at most 800).

    A task scores 100 * accuracy + 100 * accuracy_plus, the share of its images with both questions right: 0 to 200.
    `perception` and `cognition` are sums over tasks and are there only when all their tasks are; with some of them the
    sum is called `perception_partial` or `cognition_partial`, at most 200 for each of its tasks, and compares with no
    published number. `accuracy` and `yes_ratio` are over all questions; `unparsed` is the share of answers that
    strictly say neither yes nor no.

    Readings: official, the published parser; strict and p_yes as in POPE. The unit of resampling is the image file: a
    picture that several tasks ask about is drawn with all its questions.
    """

    family: ClassVar[str] = "mme"
    parser: ClassVar[str] = f"mme-official-1; {STRICT}"
    better: ClassVar[Mapping[str, str]] = {
        "perception": "higher",
        "cognition": "higher",
        "perception_partial": "higher",
        "cognition_partial": "higher",
        "accuracy": "higher",
        "accuracy_plus": "higher",
        "score": "higher",
        "yes_ratio": "",
        "unparsed": "lower",
    }

    def load(self, files: QuestionFiles) -> list[Question]:
        return [
            Question(
                self.name, f"{one.task}/{one.name}/{one.number}", one.image, one.text, one.truth, "yes_no", one.task
            )
            for one in read_asked(files)
        ]

    def parse(self, question: Question, answer: str) -> str:
        return official_reading(answer)

    def count(self, answered: Answered, reading: str) -> Counts:
        answer, task = said(answered, reading), answered.question.category
        return {
            f"{task}.questions": 1.0,
            f"{task}.right": float(answer == answered.question.truth),
            "said_yes": float(answer == "yes"),
            "unparsed": unparsed(answered, reading),
        }

    def score(self, answered: Sequence[Answered], reading: str = "official") -> UnitCounts:
        """Counts of images as well: a task asks about an image as often as that has two questions in it.

        Where one of the two was left out (a limit, an image that could not be read) there is no pair to count.
        """
        counts = super().score(answered, reading)
        rows = {unit: row for row, unit in enumerate(counts.units)}
        pairs: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
        for one in answered:
            question = one.question
            pairs[question.category, _pair_of(question)].append(said(one, reading) == question.truth)
        image_of = {(one.question.category, _pair_of(one.question)): one.question.image for one in answered}
        columns = dict(counts.columns)
        for (task, pair), right in pairs.items():
            for name, value in (("images", 1.0), ("both", float(all(right)))):
                column = columns.setdefault(f"{task}.{name}", np.zeros(len(rows)))
                column[rows[image_of[task, pair]]] += value * (len(right) == QUESTIONS_AN_IMAGE)
        return UnitCounts(counts.units, columns)

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        asked = [task for task in TASKS if f"{task}.questions" in totals]
        found: dict[str, Array] = {}
        for task in asked:
            accuracy = ratio(totals[f"{task}.right"], totals[f"{task}.questions"])
            plus = ratio(totals[f"{task}.both"], totals[f"{task}.images"])
            found |= {
                f"{task}.accuracy": accuracy,
                f"{task}.accuracy_plus": plus,
                f"{task}.score": 100 * accuracy + 100 * plus,
            }
        sums: dict[str, Array] = {}
        for name, tasks in (("perception", PERCEPTION), ("cognition", COGNITION)):
            scores = [found[f"{task}.score"] for task in tasks if task in asked]
            if scores:
                whole = len(scores) == len(tasks)
                sums[name if whole else f"{name}_partial"] = np.sum(scores, axis=0)
        questions = np.sum([totals[f"{task}.questions"] for task in asked], axis=0)
        right = np.sum([totals[f"{task}.right"] for task in asked], axis=0)
        return {
            **sums,
            "accuracy": ratio(right, questions),
            "yes_ratio": ratio(totals["said_yes"], questions),
            "unparsed": ratio(totals["unparsed"], questions),
            **found,
        }


def official_reading(answer: str) -> str:
    """MME's own parser, quirks included: lower case, then "yes", then "no" in the first four characters, else "other".

    So "Not sure", "know" and "None" are "no", "Eyes" is "yes", and " \\n  No" or "The answer is no" is "other".
    """
    start = answer.lower()
    if start in ("yes", "no"):
        return start
    start = start[:_READ]
    return "yes" if "yes" in start else "no" if "no" in start else OTHER


def _pair_of(question: Question) -> str:
    """What the two questions of an image in a task have in common: their id but for its number."""
    return question.question_id.rpartition("/")[0]
