"""MMHal-Bench: does a free answer say what the picture does not show? (Sun et al., 2023; rules in BENCHMARKS.md)"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar

from groundtune.benchmarks.question import Answered, Array, Benchmark, Counts, Question, ratio
from groundtune.benchmarks.question_files import QuestionFiles, QuestionLine
from groundtune.benchmarks.suite.judge_prompts import fill, prompt_identity, read_prompt
from groundtune.benchmarks.tools import NO_TOOLS, Tools

QUESTIONS = "response_template.json"
TYPES = ("attribute", "adversarial", "comparison", "counting", "relation", "environment", "holistic", "other")
PLACEHOLDERS = ("image_content", "question", "gt_answer", "model_answer")
MALFORMED = "malformed"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
_HALLUCINATED_BELOW = 3

PROMPT_NAME = "groundtune-mmhal-1"
PROMPT = """\
You check an assistant's answer to a question about a photograph. You cannot see the photograph. You know what people \
noted about it: a list of things that are in it, and the answer that a person gave to the same question. Take both for \
true. The answer under check may be worded differently, may be shorter or longer, and may add what plainly follows \
from these notes or is common knowledge. It hallucinates when it claims things, people, text, numbers, colours, places \
or events of the photograph that contradict the notes or that nothing in them supports. When the question itself \
assumes something that is not in the photograph, an answer that goes along with it hallucinates.

Things in the photograph: {image_content}

Question: {question}

A person's answer: {gt_answer}

Answer under check:
<<<
{model_answer}
>>>

Grade it with one whole number:
6 = nothing hallucinated; answers the question fully and adds well-founded thought
5 = nothing hallucinated; answers the question fully
4 = nothing hallucinated; answers a part of the question
3 = nothing hallucinated; says next to nothing about the question
2 = something hallucinated; otherwise answers the question fully
1 = something hallucinated; otherwise answers a part of the question
0 = something hallucinated; otherwise says next to nothing about the question

First explain your judgement in two or three sentences, without naming a number. Then end with a line of this form, \
where N is the number: Rating: N
"""


class MmHal(Benchmark):
    """response_template.json as published (96 records), alone or in a folder with images and maybe `judge_prompt.txt`.

    The type of a question is its index modulo 8. A judge that sees no image compares the answer with what people noted.
    official: a malformed verdict is a 0, hence a hallucination; strict: it is left out and counted as `malformed`.
    `score` is on the scale 0 to 6, `hallucination_rate` the share of ratings below 3.
    """

    family: ClassVar[str] = "mmhal"
    parser: ClassVar[str] = "mmhal-official-1: exactly one of 'rating: 0' to 'rating: 6', lower-cased, else 0"
    readings: ClassVar[tuple[str, ...]] = ("official", "strict")
    better: ClassVar[Mapping[str, str]] = {"score": "higher", "hallucination_rate": "lower", "malformed": "lower"}
    judged: ClassVar[frozenset[str]] = frozenset({"score", "hallucination_rate"})
    malformed_rating: ClassVar[str] = MALFORMED

    def __init__(self, name: str, tools: Tools = NO_TOOLS):
        super().__init__(name, tools)
        self._prompt = ""

    def load(self, files: QuestionFiles) -> list[Question]:
        self._prompt = read_prompt(files, PLACEHOLDERS)
        file = QUESTIONS if files.is_folder else ""
        images = _images_by_name(files)
        return [self._question(at, line, images) for at, line in enumerate(files.records(file, "image_id"))]

    def _question(self, index: int, line: QuestionLine, images: Mapping[str, str]) -> Question:
        kind = TYPES[index % len(TYPES)]
        if line.text("question_type") != kind:
            problem = f"is {line.text('question_type')!r}; record {index} of the published order is of type {kind!r}"
            raise line.error("question_type", problem)
        name = PurePosixPath(line.text("image_src")).name
        image = images.get(name) or images.get(line.record_id) or name
        truth: dict[str, Any] = {"image_content": line.strings("image_content"), "gt_answer": line.text("gt_answer")}
        if self._prompt:  # answers are judged from their rows alone, maybe on another machine
            truth["judge_prompt"] = self._prompt
        return Question(self.name, str(index), image, line.text("question"), truth, "open", kind)

    def read_truth(self, text: str) -> Any:
        return json.loads(text)

    def known_of(self, question: Question) -> str:
        truth = question.truth
        return f"Things in the picture: {', '.join(truth['image_content'])}\nA person's answer: {truth['gt_answer']}"

    def parse(self, question: Question, answer: str) -> str:
        """Nothing is read by rules."""
        return ""

    def correct(self, answered: Answered) -> bool | None:
        """Nothing hallucinated, by the judge's rating; None without one."""
        return None if not answered.rating else official_score(answered.rating) >= _HALLUCINATED_BELOW

    def judge_messages(self, answered: Answered) -> list[dict[str, str]]:
        truth = answered.question.truth
        values = {
            "image_content": ", ".join(truth["image_content"]),
            "question": answered.question.text,
            "gt_answer": truth["gt_answer"],
            "model_answer": answered.answer,
        }
        return [{"role": "user", "content": fill(truth.get("judge_prompt", PROMPT), values)}]

    def read_verdict(self, reply: str) -> str | None:
        return official_rating(reply)

    def count(self, answered: Answered, reading: str) -> Counts:
        if not answered.rating:
            return {}
        malformed = answered.rating == MALFORMED
        asked = {"judged": 1.0, "malformed": float(malformed)} if reading == "strict" else {}
        if malformed and reading == "strict":
            return asked
        score, kind = official_score(answered.rating), answered.question.category
        figures = {"rated": 1.0, "rating": float(score), "hallucinated": float(score < _HALLUCINATED_BELOW)}
        return {**asked, **figures, **{f"{kind}.{name}": value for name, value in figures.items()}}

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        made = {}
        for prefix in ("", *(f"{kind}." for kind in TYPES)):
            if f"{prefix}rated" in totals:
                rated = totals[f"{prefix}rated"]
                made[f"{prefix}score"] = ratio(totals[f"{prefix}rating"], rated)
                made[f"{prefix}hallucination_rate"] = ratio(totals[f"{prefix}hallucinated"], rated)
        if "malformed" in totals:
            made["malformed"] = ratio(totals["malformed"], totals["judged"])
        return made

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "judge_prompt": prompt_identity(PROMPT_NAME, self._prompt)}


def official_rating(reply: str) -> str | None:
    """The published rule: of the seven texts "rating: 0" to "rating: 6", exactly one must be in the lower-cased reply,
    as often as it likes. "Rating: 10" is a 1 by it. None otherwise."""
    lowered = reply.lower()
    found = [str(score) for score in range(7) if f"rating: {score}" in lowered]
    return found[0] if len(found) == 1 else None


def official_score(rating: str) -> int:
    """0 to 6; a malformed verdict is a 0."""
    return 0 if rating == MALFORMED else int(rating)


def _images_by_name(files: QuestionFiles) -> dict[str, str]:
    """File name, and file name without its suffix -> place below the benchmark's folder."""
    found: dict[str, str] = {}
    for name in files.names():
        path = PurePosixPath(name)
        if path.suffix.lower() in _SUFFIXES:
            found.setdefault(path.stem, name)
            found[path.name] = name
    return found
