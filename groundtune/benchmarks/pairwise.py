"""Which of two answers a judge prefers: the question, both orders, the verdict (Human Pref. Score by a judge, ours)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.benchmarks.judge import JudgeRequest
from groundtune.benchmarks.question import PREFERABLE, Answered, Question
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import answers_by_benchmark
from groundtune.benchmarks.suite.judge_prompts import fill
from groundtune.errors import ArtifactError

ORDERS = ("base_first", "aligned_first")
TIE = "tie"

PROMPT_NAME = "groundtune-pairwise-1"
PROMPT = """\
Two assistants were given the same picture and the same request. You cannot see the picture.{known}

Request: {question}

Answer A:
<<<
{answer_a}
>>>

Answer B:
<<<
{answer_b}
>>>

Which answer would a careful person rather get? First of all an answer must not tell of things that are not in the \
picture; then it should do what was asked, tell what matters, and read well. A longer answer is not a better one, and \
which of them is called A says nothing about it. When you cannot prefer one, it is a tie.

Explain your choice in two or three sentences, then end with one line, which is one of:
Winner: A
Winner: B
Winner: tie
"""
_KNOWN = " This is what is known of it:\n\n{known}"
_WINNER = re.compile(r"winner\W{0,4}:\W{0,4}(a|b|tie)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """Two models' answers to one question. known: what the judge is told of the picture, "" for nothing."""

    question: Question
    base: str
    aligned: str
    known: str = ""

    @property
    def same(self) -> bool:
        """Letter by letter: a tie that no judge has to be paid for."""
        return self.base.strip() == self.aligned.strip()

    def request(self, order: str) -> JudgeRequest:
        """What the judge is asked, in one of ORDERS."""
        first, second = (self.base, self.aligned) if order == ORDERS[0] else (self.aligned, self.base)
        known = fill(_KNOWN, {"known": self.known}) if self.known else ""
        values = {"known": known, "question": self.question.text, "answer_a": first, "answer_b": second}
        message = {"role": "user", "content": fill(PROMPT, values)}
        return JudgeRequest(f"{self.question.record_id} ({order})", (message,), read_winner)


def read_winner(reply: str) -> str | None:
    """ "A", "B" or "tie" when the reply names exactly one of them as its winner, else None."""
    found = {word.upper() for word in _WINNER.findall(reply)}
    if len(found) != 1:
        return None
    (word,) = found
    return TIE if word == "TIE" else word


def model_of(winner: str, order: str) -> str:
    """ "A" in the order base_first -> "base"; a tie stays one, and so does "" (no verdict)."""
    if winner not in ("A", "B"):
        return winner
    return "base" if (winner == "A") == (order == ORDERS[0]) else "aligned"


def pairs_of(base: Artifact, aligned: Artifact, *, with_reference: bool = True) -> Iterator[Pair]:
    """Every question of PREFERABLE that both `answers` artifacts hold an answer to, in the order of `base`.

    with_reference: tell the judge what the benchmark's truth says of the picture. Raises ArtifactError when the
    artifacts are of other kinds, or the questions or images are not the same.
    """
    one, two = (_open_answers(artifact) for artifact in (base, aligned))
    if not one:
        raise ArtifactError(
            f"{base.path}: no answer of kind {' or '.join(PREFERABLE)}: nothing that a judge could prefer"
        )
    for record_id in one.keys() | two.keys():
        if one.get(record_id, _NOTHING)[1:] != two.get(record_id, _NOTHING)[1:]:
            raise ArtifactError(
                f"{record_id}: {base.path} and {aligned.path} do not hold answers to the same question about the same "
                "image; evaluate both on the same files"
            )
    seen = set()
    for record_id, (answered, _, known) in one.items():
        asked = (answered.question.image, answered.question.text)
        if asked in seen:  # LLaVA-Bench in both of its judge's orders asks the model the same twice
            continue
        seen.add(asked)
        yield Pair(answered.question, answered.answer, two[record_id][0].answer, known if with_reference else "")


def has_pairs(answers: Artifact) -> bool:
    """Is there an answer that people or a judge could prefer to another?"""
    return any(row["kind"] in PREFERABLE for row in answers.rows())


_NOTHING: tuple[Any, ...] = (None, None, None)


def _open_answers(artifact: Artifact) -> Mapping[str, tuple[Answered, Sequence[str], str]]:
    """Record id -> (answer, what must be the same for both models, what its truth tells)."""
    if artifact.kind != "answers":
        raise ArtifactError(f"{artifact.path}: holds {artifact.kind!r}, expected an evaluation's 'answers'")
    wanted = [row for row in artifact.rows() if row["kind"] in PREFERABLE]
    images = {f"{row['benchmark']}/{row['question_id']}": row["image_sha256"] for row in wanted}
    found = {}
    for name, answered in answers_by_benchmark(wanted).items():
        benchmark = benchmark_named(name)
        for one in answered:
            question = one.question
            same = (question.text, images[question.record_id], question.truth_text)
            found[question.record_id] = (one, same, benchmark.known_of(question))
    return found
