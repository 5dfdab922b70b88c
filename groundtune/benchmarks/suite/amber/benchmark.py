"""AMBER as a benchmark: `amber`, `amber_generative`, `amber_discriminative`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from groundtune.benchmarks.question import Answered, Array, Benchmark, Counts, Question
from groundtune.benchmarks.question_files import QuestionFiles, QuestionLine
from groundtune.benchmarks.suite.amber.discriminative import START, counts_of, metrics_of, official_reading
from groundtune.benchmarks.suite.amber.files import (
    GENERATIVE,
    GROUPS,
    WordTables,
    read_annotations,
    read_queries,
    read_tables,
)
from groundtune.benchmarks.suite.amber.generative import SIMILAR, match, nouns_of
from groundtune.benchmarks.suite.yes_no_answers import STRICT, readings_with_p_yes, said
from groundtune.digests import canonical_json
from groundtune.errors import SettingError


class Amber(Benchmark):
    """A folder with AMBER's published query_*.json (there or in query/), annotations.json, relation.json and
    safe_words.txt.

    Descriptions: `chair` (hallucinated nouns / nouns), `cover` (objects named / annotated), `hal` (descriptions with a
    hallucinated noun), `cog` (likely inventions named / annotated): sums over all descriptions, as shares in [0, 1],
    where AMBER prints them times 100. Yes/no: accuracy, precision, recall and f1 of "no", overall and for `existence`,
    `attribute` (`.state`, `.number`, `.action`) and `relation`. `amber_score` = (100 - 100 chair + 100 f1) / 2, in
    points out of 100, when both tasks were asked.

    Two readings of yes/no answers: official takes exactly "Yes" and "No", strict (ours) normalises first; an answer
    that is neither is wrong, and `unparsed` is the share of those. p_yes where P(yes) was asked for. Nouns, lemmas and
    similarity are those of `text_analysis`: official with nltk, its tagger, WordNet and en_core_web_lg, else ours.
    """

    family: ClassVar[str] = "amber"
    parser: ClassVar[str] = f"amber-official-1, similar above {SIMILAR}; {STRICT}"
    readings: ClassVar[tuple[str, ...]] = ("official", "strict")
    better: ClassVar[Mapping[str, str]] = {
        "chair": "lower",
        "cover": "higher",
        "hal": "lower",
        "cog": "lower",
        "accuracy": "higher",
        "precision": "higher",
        "recall": "higher",
        "f1": "higher",
        "unparsed": "lower",
        "amber_score": "higher",
    }
    _tables: WordTables | None = None

    def load(self, files: QuestionFiles) -> list[Question]:
        task = self.name.removeprefix(self.family).removeprefix("_")
        annotations = read_annotations(files)
        if task != "discriminative":
            self._tables = read_tables(files, list(annotations.values()))
            self.tools.analyser.words("A dog.")  # what it lacks shows now, not behind hours of answers
        questions = []
        seen: dict[str, str] = {}
        for line in read_queries(files, task):
            if line.record_id in seen:
                raise line.error("id", f"was used before, at {seen[line.record_id]}")
            seen[line.record_id] = line.place
            annotation = annotations.get(line.record_id)
            if annotation is None:
                raise line.error("id", "has no entry in annotations.json")
            if task and (annotation.kind == GENERATIVE) != (task == GENERATIVE):
                continue  # of the other task, in query_all.json
            questions.append(self._question(line, annotation.kind, annotation.truth, annotation.hallu))
        return questions

    def _question(self, line: QuestionLine, kind: str, truth: list[str] | str, hallu: list[str]) -> Question:
        text, image = line.text("query"), line.text("image")
        if kind == GENERATIVE:
            objects = {"truth": truth, "hallu": hallu}
            return Question(self.name, line.record_id, image, text, objects, "caption", GENERATIVE)
        return Question(self.name, line.record_id, image, text, truth, "yes_no", GROUPS[kind])

    def read_truth(self, text: str) -> Any:
        return json.loads(text) if text.startswith("{") else text

    def known_of(self, question: Question) -> str:
        """The annotated objects of a description, each once; "" of yes/no questions."""
        return ", ".join(dict.fromkeys(question.truth["truth"])) if question.kind == "caption" else ""

    def readings_of(self, answered: Sequence[Answered]) -> tuple[str, ...]:
        if any(one.question.kind == "yes_no" for one in answered):
            return readings_with_p_yes(self.readings, answered)
        return self.readings[:1]  # descriptions have one

    def parse(self, question: Question, answer: str) -> str:
        """yes, no or other; of a description the matched nouns as JSON (generative.Matched)."""
        if question.kind == "yes_no":
            return official_reading(answer)
        if self._tables is None:
            raise SettingError("benchmarks", self.name, "questions that were loaded: descriptions need AMBER's words")
        analyser = self.tools.analyser
        nouns = nouns_of(answer, analyser, self._tables)
        truth, hallu = question.truth["truth"], question.truth["hallu"]
        return canonical_json(match(nouns, truth, hallu, self._tables, analyser.similarity).to_mapping())

    def correct(self, answered: Answered) -> bool:
        if answered.question.kind == "yes_no":
            return bool(answered.parsed == answered.question.truth)
        return not json.loads(answered.parsed)["hallucinated"]

    def count(self, answered: Answered, reading: str) -> Counts:
        question = answered.question
        if question.kind == "yes_no":
            return counts_of(question.category, question.truth, said(answered, reading))
        matched = json.loads(answered.parsed)
        return {
            "nouns": float(matched["nouns"]),
            "hallucinated": float(len(matched["hallucinated"])),
            "objects": float(len(question.truth["truth"])),
            "covered": float(len(matched["covered"])),
            "likely": float(len(question.truth["hallu"])),
            "invented": float(len(matched["invented"])),
            "descriptions": 1.0,
            "faithful": float(not matched["hallucinated"]),
        }

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        if "descriptions" in totals:
            found["chair"] = totals["hallucinated"] / (totals["nouns"] + START)
            found["cover"] = totals["covered"] / (totals["objects"] + START)
            found["hal"] = 1 - totals["faithful"] / (totals["descriptions"] + START)
            found["cog"] = totals["invented"] / (totals["likely"] + START)
        found |= metrics_of(totals)
        if "chair" in found and "f1" in found:
            found["amber_score"] = np.asarray((100 - 100 * found["chair"] + 100 * found["f1"]) / 2)
        return found

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "text_analysis": self.tools.analyser.name}
