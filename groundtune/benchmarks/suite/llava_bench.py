"""LLaVA-Bench: open questions, a judge compares the answer with a reference answer (Liu et al., NeurIPS 2023)."""

import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from groundtune.benchmarks.question import Answered, Array, Benchmark, Counts, Question, ratio
from groundtune.benchmarks.question_files import QuestionFiles, QuestionLine
from groundtune.benchmarks.suite.judge_prompts import fill, prompt_identity, read_prompt
from groundtune.benchmarks.tools import NO_TOOLS, Tools
from groundtune.errors import SettingError

QUESTIONS, CONTEXTS, REFERENCES = "questions.jsonl", "context.jsonl", "answers_gpt4.jsonl"
CATEGORIES = ("conv", "detail", "complex")
PLACEHOLDERS = ("context", "question", "answer_1", "answer_2")
MALFORMED = "malformed"
REFERENCE_FIRST, MODEL_FIRST = "reference_first", "model_first"

PROMPT_NAME = "groundtune-llava-bench-1"
PROMPT = """\
Two assistants answered a question about a picture. You cannot see the picture; this is what is known of it:

{context}

Question: {question}

Answer 1:
<<<
{answer_1}
>>>

Answer 2:
<<<
{answer_2}
>>>

Grade each answer from 1 (useless) to 10 (could not be better). An answer is good when it answers what was asked, is \
right by what is known of the picture, tells what matters in fitting detail, and is of use to the person who asked. \
Which of them stands first says nothing about it.

Write on the first line only the two grades, that of answer 1 first, with a blank between them. Explain them below.
"""


class LlavaBench(Benchmark):
    """Folder with the published questions.jsonl, context.jsonl and answers_gpt4.jsonl, maybe `judge_prompt.txt`.

    `relative_score` is 100 x the sum of the answers' grades / the sum of the reference's grades, in %; it may exceed
    100. The other scores are mean grades of 1 to 10. As published the reference stands first; judges favour a place, so
    `llava_bench_reference_first` and `llava_bench_model_first` asked together give the mean of both orders. official:
    a malformed verdict grades both answers -1, as the published script does; strict: it is left out and counted.
    """

    family: ClassVar[str] = "llava_bench"
    parser: ClassVar[str] = "llava-bench-1: two numbers on the reply's first line, divided by blanks or commas"
    readings: ClassVar[tuple[str, ...]] = ("official", "strict")
    better: ClassVar[Mapping[str, str]] = {
        "relative_score": "higher",
        "answer_score": "higher",
        "reference_score": "",
        "malformed": "lower",
    }
    averaged: ClassVar[tuple[str, ...]] = ("relative_score",)
    judged: ClassVar[frozenset[str]] = frozenset({"relative_score", "answer_score", "reference_score"})
    malformed_rating: ClassVar[str] = MALFORMED

    def __init__(self, name: str, tools: Tools = NO_TOOLS):
        super().__init__(name, tools)
        self._prompt = ""

    @property
    def model_first(self) -> bool:
        """Does the judge see the model's answer before the reference?"""
        return self.name.endswith(MODEL_FIRST)

    def load(self, files: QuestionFiles) -> list[Question]:
        if not files.is_folder:
            raise SettingError("benchmarks", files.uri, f"a folder with {QUESTIONS}, {CONTEXTS} and {REFERENCES}")
        self._prompt = read_prompt(files, PLACEHOLDERS)
        contexts = {line.record_id: _caption(line) for line in files.records(CONTEXTS, "image")}
        references = {line.record_id: line.text("text") for line in files.records(REFERENCES, "question_id")}
        return [self._question(line, contexts, references) for line in files.records(QUESTIONS, "question_id")]

    def _question(self, line: QuestionLine, contexts: Mapping[str, str], references: Mapping[str, str]) -> Question:
        image, category = line.text("image"), line.text("category")
        if category not in CATEGORIES:
            raise line.error("category", f"is {category!r}, expected one of {', '.join(CATEGORIES)}")
        if image not in contexts:
            raise line.error("image", f"is {image!r}, of which {CONTEXTS} says nothing")
        if line.record_id not in references:
            raise line.error("question_id", f"has no answer in {REFERENCES}")
        truth = {"context": contexts[image], "reference": references[line.record_id]}
        if self._prompt:  # answers are judged from their rows alone, maybe on another machine
            truth["judge_prompt"] = self._prompt
        return Question(self.name, line.record_id, image, line.text("text"), truth, "open", category)

    def read_truth(self, text: str) -> Any:
        return json.loads(text)

    def known_of(self, question: Question) -> str:
        return str(question.truth["context"])

    def parse(self, question: Question, answer: str) -> str:
        """Nothing is read by rules."""
        return ""

    def correct(self, answered: Answered) -> bool | None:
        """A grade against a reference is neither right nor wrong."""
        return None

    def judge_messages(self, answered: Answered) -> list[dict[str, str]]:
        truth = answered.question.truth
        answers = [truth["reference"], answered.answer]
        first, second = reversed(answers) if self.model_first else answers
        values = {
            "context": truth["context"],
            "question": answered.question.text,
            "answer_1": first,
            "answer_2": second,
        }
        return [{"role": "user", "content": fill(truth.get("judge_prompt", PROMPT), values)}]

    def read_verdict(self, reply: str) -> str | None:
        """ "reference model", whatever the order of asking: "8 7" when the reference got 8."""
        grades = read_grades(reply)
        if grades is None:
            return None
        first, second = reversed(grades) if self.model_first else grades
        return f"{first:g} {second:g}"

    def count(self, answered: Answered, reading: str) -> Counts:
        if not answered.rating:
            return {}
        malformed = answered.rating == MALFORMED
        asked = {"judged": 1.0, "malformed": float(malformed)} if reading == "strict" else {}
        if malformed and reading == "strict":
            return asked
        reference, model = (-1.0, -1.0) if malformed else map(float, answered.rating.split(" "))
        figures = {"rated": 1.0, "reference": reference, "answer": model}
        kind = answered.question.category
        return {**asked, **figures, **{f"{kind}.{name}": value for name, value in figures.items()}}

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        made = {}
        for prefix in ("", *(f"{category}." for category in CATEGORIES)):
            if f"{prefix}rated" in totals:
                rated, reference, answer = (totals[f"{prefix}{name}"] for name in ("rated", "reference", "answer"))
                made[f"{prefix}relative_score"] = 100.0 * ratio(answer, reference)
                made[f"{prefix}answer_score"] = ratio(answer, rated)
                made[f"{prefix}reference_score"] = ratio(reference, rated)
        if "malformed" in totals:
            made["malformed"] = ratio(totals["malformed"], totals["judged"])
        return made

    def identity(self) -> dict[str, Any]:
        order = MODEL_FIRST if self.model_first else REFERENCE_FIRST
        prompt = prompt_identity(PROMPT_NAME, self._prompt)
        return {**super().identity(), "judge_prompt": prompt, "order": order}


def read_grades(reply: str) -> tuple[float, float] | None:
    """The two numbers of 1 to 10 on the first line, "8 7" or "8, 7.5"; None when the line says anything else."""
    words = reply.strip().split("\n", 1)[0].replace(",", " ").split()
    try:
        grades = [float(word) for word in words]
    except ValueError:
        return None
    if len(grades) != 2 or not all(math.isfinite(grade) and 1 <= grade <= 10 for grade in grades):
        return None
    return grades[0], grades[1]


def _caption(line: QuestionLine) -> str:
    """One text, or a list of them."""
    if isinstance(line.fields.get("caption"), list):
        return "\n".join(line.strings("caption"))
    return line.text("caption")
