"""Object HalBench: CHAIR on detailed descriptions of 300 COCO images (Rohrbach et al. 2018; RLHF-V, 2024)."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import ClassVar

from groundtune.benchmarks.question import Answered, Array, Counts, Question, UnitCounts, ratio
from groundtune.benchmarks.question_files import QuestionFiles, QuestionLine
from groundtune.benchmarks.suite.chair import Chair, object_counts, object_metrics
from groundtune.benchmarks.suite.coco import CocoImage, read_coco
from groundtune.benchmarks.suite.object_naming import NAMING, is_short, naming_request, objects_of_names, read_names
from groundtune.benchmarks.suite.vocabulary import Vocabulary, coco_vocabulary, vocabulary_of
from groundtune.digests import canonical_json
from groundtune.errors import SettingError

_JUDGE = "_by_judge"
_IMAGES = (".jpg", ".jpeg", ".png", ".webp")


class ObjectHalbench(Chair):
    """A folder with the published questions (JSON lines {"image_id", "question", "image"}, the image in base64, or its
    path, or `image_path`, or COCO's own file name), COCO's `instances_*.json` and `captions_*.json` with these images,
    and the synonym table `synonyms*.txt` (else the setting `vocabulary`).

    Truth = the image's COCO classes, united with the objects of its reference captions. Two extractions, each with its
    own metrics: by rules (`chairs`, ...: repeats of an object count), and by a judge (`chairs_by_judge`, ...: each name
    counts once), as the published numbers are, though their judge is retired. `words`: pieces between single spaces.
    `judged_answers`: share of the answers that the judge's metrics are of; a reply that stays unreadable leaves its
    answer out. Answers of three words or fewer name nothing and are not put to the judge.
    """

    family: ClassVar[str] = "object_halbench"
    parser: ClassVar[str] = f"object-halbench-rules-1; by judge: {NAMING}"
    judged: ClassVar[frozenset[str]] = frozenset(
        f"{name}{_JUDGE}" for name in ("chairs", "chairs_all", "chairi", "recall")
    )
    better: ClassVar[Mapping[str, str]] = {
        **Chair.better,
        f"chairs{_JUDGE}": "lower",
        f"chairs_all{_JUDGE}": "lower",
        f"chairi{_JUDGE}": "lower",
        f"recall{_JUDGE}": "higher",
        "judged_answers": "",
    }
    _table: Vocabulary | None = None

    def load(self, files: QuestionFiles) -> list[Question]:
        if not files.is_folder:
            raise SettingError("benchmarks", files.uri, "a folder: questions, COCO annotations and synonyms")
        self._read_synonyms(files)
        lines = _question_lines(files)
        images = read_coco(files, {_image_id(line) for line in lines})
        return [self._asked(line, images, files) for line in lines]

    def _read_synonyms(self, files: QuestionFiles) -> None:
        found = [name for name in files.names() if fnmatch(name.rpartition("/")[2], "synonyms*.txt")]
        if len(found) > 1:
            raise SettingError("benchmarks", files.uri, f"a folder with one table of synonyms, not {', '.join(found)}")
        if found:
            self._vocabulary = vocabulary_of(files.text(found[0]), files.place(found[0]))

    def _asked(self, line: QuestionLine, images: Mapping[int, CocoImage], files: QuestionFiles) -> Question:
        image = images.get(_image_id(line))
        if image is None:
            raise line.error("image_id", f"{_image_id(line)} is in none of the folder's instances_*.json")
        if not image.captions:
            raise line.error("image_id", f"{_image_id(line)} has no caption in the folder's captions_*.json")
        present: set[str] = set()
        for name in image.classes:
            known = self.vocabulary.object_of(name)
            if known is None:
                raise line.error("image_id", f"has COCO's class {name!r}, which the table of synonyms lacks")
            present.add(known)
        for caption in image.captions:
            present.update(self.vocabulary.object_words(caption, self.tools.analyser))
        # What a judge names is looked up when scores are made, from the rows alone.
        truth = {"objects": sorted(present), "names": self.vocabulary.objects}
        reference = _image_of(line, image, files)
        return Question(self.name, line.record_id, reference, line.text("question"), truth, "caption")

    def known_of(self, question: Question) -> str:
        """The objects of the picture; the table of names that the truth holds beside them says nothing about it."""
        return ", ".join(question.truth["objects"])

    def correct(self, answered: Answered) -> bool:
        return set(json.loads(answered.parsed)) <= set(answered.question.truth["objects"])

    def judge_messages(self, answered: Answered) -> list[dict[str, str]] | None:
        return None if is_short(answered.answer) else naming_request(answered.question.text, answered.answer)

    def read_verdict(self, reply: str) -> str | None:
        """The names as a JSON list."""
        names = read_names(reply)
        return None if names is None else canonical_json(names)

    def score(self, answered: Sequence[Answered], reading: str = "official") -> UnitCounts:
        """Where a judge was asked, short answers count as naming nothing; without one, no answer has judge's counts."""
        if any(one.rating for one in answered):
            answered = [
                replace(one, rating="[]") if not one.rating and is_short(one.answer) else one for one in answered
            ]
        return super().score(answered, reading)

    def count(self, answered: Answered, reading: str) -> Counts:
        truth = set(answered.question.truth["objects"])
        counts = object_counts(json.loads(answered.parsed), truth)
        counts["words"] = float(len(answered.answer.strip().split(" ")))
        if answered.rating:
            named = objects_of_names(json.loads(answered.rating), self._names(answered.question.truth["names"]))
            counts |= {name + _JUDGE: value for name, value in object_counts(named, truth).items()}
        return counts

    def metrics(self, totals: Mapping[str, Array]) -> dict[str, Array]:
        found = super().metrics(totals)
        by_judge = {name.removesuffix(_JUDGE): value for name, value in totals.items() if name.endswith(_JUDGE)}
        if by_judge:
            found |= {name + _JUDGE: value for name, value in object_metrics(by_judge).items()}
            found["judged_answers"] = ratio(by_judge["answers"], totals["answers"])
        return found

    def _names(self, table: Mapping[str, str]) -> Vocabulary:
        if self._table is None or self._table.objects != table:
            self._table = coco_vocabulary(table)
        return self._table


def _question_lines(files: QuestionFiles) -> list[QuestionLine]:
    found = [name for name in files.names() if name.endswith(".jsonl")]
    if len(found) != 1:
        raise SettingError("benchmarks", files.uri, f"a folder with one .jsonl of questions; found {found or 'none'}")
    lines = list(files.records(found[0], id_field=""))
    # The published rows have no id of their own: an image may be asked about more than once.
    ids = [line.fields.get("question_id", line.fields.get("id")) for line in lines]
    if all(isinstance(own, (str, int)) for own in ids) and len(set(map(str, ids))) == len(ids):
        return [QuestionLine(line.fields, line.place, str(own)) for line, own in zip(lines, ids, strict=True)]
    return lines


def _image_id(line: QuestionLine) -> int:
    """COCO's number of the image: 391895, "391895" or "COCO_val2014_000000391895.jpg"."""
    value = line.fields.get("image_id")
    digits = PurePosixPath(str(value)).stem.rpartition("_")[2]
    if isinstance(value, bool) or not digits.isdecimal():
        raise line.error("image_id", f"is {value!r}, expected COCO's number of the image")
    return int(digits)


def _image_of(line: QuestionLine, image: CocoImage, files: QuestionFiles) -> str:
    """A reference to the image: attached when it came in the row, else a path, else the name that COCO gives it."""
    if "image_path" in line.fields:
        return line.text("image_path")
    if "image" not in line.fields:
        return image.file
    value = line.text("image")
    if value.lower().endswith(_IMAGES):
        return value
    try:
        data = base64.b64decode(value.rpartition(",")[2] if value.startswith("data:") else value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise line.error("image", f"is neither a path nor base64: {error}") from error
    return files.attach(data, line.record_id, line.place)
