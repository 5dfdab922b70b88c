"""CHAIR: which objects of a description are not in the picture (Rohrbach et al., EMNLP 2018)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from groundtune.benchmarks.question import Answered, Array, Benchmark, Counts, Question, ratio
from groundtune.benchmarks.question_files import QuestionFiles, QuestionLine
from groundtune.benchmarks.suite.vocabulary import Vocabulary, read_vocabulary
from groundtune.benchmarks.tools import NO_TOOLS, Tools
from groundtune.digests import canonical_json
from groundtune.errors import SettingError
from groundtune.text.tokens import count_words


class Chair(Benchmark):
    """JSON lines {"id", "image", "instruction", "objects": [...], "captions": [...] (optional)}.

    Truth = objects, united with the objects of the reference captions. Objects are found by rules, without a
    language model (`vocabulary`). `chairs` divides by the answers that name an object, as Object HalBench
    reports it, `chairs_all` by all answers; `chairi` is over object words; `recall` over the objects of the
    truth; `words` and `objects` are means an answer, not shares. Low CHAIR with low recall is silence, not
    sight: read them together. Words and lemmas are those of `text_analysis`; plain is not the official one.
    """

    family: ClassVar[str] = "chair"
    parser: ClassVar[str] = "chair-rules-1, no language model"
    better: ClassVar[Mapping[str, str]] = {
        "chairs": "lower",
        "chairs_all": "lower",
        "chairi": "lower",
        "recall": "higher",
        "words": "",
        "objects": "",
    }

    def __init__(self, name: str, tools: Tools = NO_TOOLS):
        super().__init__(name, tools)
        self._uri = tools.vocabulary
        self._vocabulary: Vocabulary | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        if self._vocabulary is None:
            if not self._uri:
                raise SettingError("vocabulary", "", f"the file of objects that benchmark {self.name!r} knows")
            self._vocabulary = read_vocabulary(self._uri)
        return self._vocabulary

    def load(self, files: QuestionFiles) -> list[Question]:
        self.tools.analyser.tokens("A dog.")  # what it lacks shows now, not behind hours of answers
        return [self._question(line) for line in files.records()]

    def _question(self, line: QuestionLine) -> Question:
        present: set[str] = set()
        for name in line.strings("objects"):
            found = self.vocabulary.object_of(name)
            if found is None:
                raise line.error("objects", f"holds {name!r}, which the vocabulary {self._uri} lacks")
            present.add(found)
        for caption in line.strings("captions") if "captions" in line.fields else []:
            present.update(self.vocabulary.object_words(caption, self.tools.analyser))
        truth = sorted(present)
        return Question(self.name, line.record_id, line.text("image"), line.text("instruction"), truth, "caption")

    def read_truth(self, text: str) -> Any:
        return json.loads(text)

    def parse(self, question: Question, answer: str) -> str:
        """A JSON list of the objects named, in order, repeats kept."""
        return canonical_json(self.vocabulary.object_words(answer, self.tools.analyser))

    def correct(self, answered: Answered) -> bool:
        return set(json.loads(answered.parsed)) <= set(answered.question.truth)

    def count(self, answered: Answered, reading: str) -> Counts:
        counts = object_counts(json.loads(answered.parsed), set(answered.question.truth))
        return {**counts, "words": float(count_words(answered.answer))}

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        return {
            **object_metrics(totals),
            "words": ratio(totals["words"], totals["answers"]),
            "objects": ratio(totals["object_words"], totals["answers"]),
        }

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "text_analysis": self.tools.analyser.name}


def object_counts(named: Sequence[str], truth: set[str]) -> Counts:
    """CHAIR's counts of one answer. named: its objects in order, repeats kept. truth: the objects of the image."""
    wrong = [name for name in named if name not in truth]
    return {
        "answers": 1.0,
        "answers_with_object": float(bool(named)),
        "hallucinated_answers": float(bool(wrong)),
        "object_words": float(len(named)),
        "hallucinated_words": float(len(wrong)),
        "true_objects": float(len(truth)),
        "covered_objects": float(len(truth.intersection(named))),
    }


def object_metrics(totals: Mapping[str, Array]) -> dict[str, Array]:
    """Sums of `object_counts` -> CHAIR's shares."""
    return {
        "chairs": ratio(totals["hallucinated_answers"], totals["answers_with_object"]),
        "chairs_all": ratio(totals["hallucinated_answers"], totals["answers"]),
        "chairi": ratio(totals["hallucinated_words"], totals["object_words"]),
        "recall": ratio(totals["covered_objects"], totals["true_objects"]),
    }
