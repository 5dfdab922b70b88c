"""IFT: the share of verifiable instructions that were followed, and a judge's rating (ours; no public definition)."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from groundtune.benchmarks.question import Answered, Array, Benchmark, Counts, Question, ratio
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.instruction_following import rating
from groundtune.benchmarks.suite.instruction_following.checks import CHECKS, GROUPS, follows
from groundtune.benchmarks.suite.instruction_following.constraints import read_constraints
from groundtune.digests import canonical_json

SEVERAL = "several"


class InstructionFollowing(Benchmark):
    """JSON lines {"id", "image", "instruction", "constraints": [{"check": ..., ...}, ...]}; checks are in `checks`.

    `followed` = constraints met / constraints; `followed_all` = answers that meet all of theirs / answers (strict);
    `length.followed`, `format.followed`, ... by group of checks. An answer without a letter or digit meets nothing.
    `following` (judged) = mean rating, 1 to 10; answers whose verdict stayed malformed are left out of it, and
    `unrated` is their share. Whether the answer is true of the picture is not asked here.
    """

    family: ClassVar[str] = "ift"
    parser: ClassVar[str] = f"ift-checks-1, languages-1; judge prompt {rating.PROMPT}"
    better: ClassVar[Mapping[str, str]] = {
        "followed": "higher",
        "followed_all": "higher",
        "following": "higher",
        "unrated": "lower",
    }
    judged: ClassVar[frozenset[str]] = frozenset({"following"})

    def load(self, files: QuestionFiles) -> list[Question]:
        questions = []
        for line in files.records():
            constraints = read_constraints(line)
            groups = {CHECKS[constraint["check"]].group for constraint in constraints}
            category = groups.pop() if len(groups) == 1 else SEVERAL
            image, text = line.text("image"), line.text("instruction")
            questions.append(Question(self.name, line.record_id, image, text, constraints, "open", category))
        return questions

    def read_truth(self, text: str) -> Any:
        return json.loads(text)

    def parse(self, question: Question, answer: str) -> str:
        """A JSON list: for each constraint, in order, whether it is met."""
        return canonical_json([follows(answer, constraint) for constraint in question.truth])

    def correct(self, answered: Answered) -> bool:
        return all(json.loads(answered.parsed))

    def judge_messages(self, answered: Answered) -> list[dict[str, str]]:
        return rating.messages(answered.question.text, answered.answer)

    def read_verdict(self, reply: str) -> str | None:
        return rating.read(reply)

    def count(self, answered: Answered, reading: str) -> Counts:
        met = [bool(value) for value in json.loads(answered.parsed)]
        counts = {
            "answers": 1.0,
            "answers_all": float(all(met)),
            "constraints": float(len(met)),
            "met": float(sum(met)),
        }
        for constraint, value in zip(answered.question.truth, met, strict=True):
            group = CHECKS[constraint["check"]].group
            counts[f"{group}.constraints"] = counts.get(f"{group}.constraints", 0.0) + 1.0
            counts[f"{group}.met"] = counts.get(f"{group}.met", 0.0) + float(value)
        if answered.rating:
            counts |= {"rated": 1.0, "ratings": float(answered.rating)}
        return counts

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        found = {
            "followed": ratio(totals["met"], totals["constraints"]),
            "followed_all": ratio(totals["answers_all"], totals["answers"]),
        }
        if "rated" in totals:
            found["following"] = ratio(totals["ratings"], totals["rated"])
            found["unrated"] = ratio(totals["answers"] - totals["rated"], totals["answers"])
        for group in GROUPS:
            if f"{group}.constraints" in totals:
                found[f"{group}.followed"] = ratio(totals[f"{group}.met"], totals[f"{group}.constraints"])
        return found
