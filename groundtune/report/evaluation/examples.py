"""Example answers with their pictures: drawn by a hash of the question's id, so nobody picked them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.artifacts import Row
from groundtune.images import ATTACHED, ImageStore
from groundtune.report.evaluation.figures import Evaluated
from groundtune.report.evaluation.identity import text_of
from groundtune.report.evaluation.words import benchmark_title
from groundtune.report.pictures import Picture, picture_of

SHOWN = 2  # of each kind
# (was right, is right) of two models -> kind of the change, in the order of the page
_CHANGES = {
    (False, True): "became right",
    (True, False): "became wrong",
    (False, False): "wrong before and after",
    (True, True): "right before and after",
}
_SINGLE = {(True,): "right", (False,): "wrong"}
# Parts of a truth that has several, in words; the table that a judge's names are looked up in is none of the truth.
_PARTS = {"gt_answer": "reference answer", "image_content": "in the picture", "objects": "in the picture"}
_NO_TRUTH = ("names",)
_JUDGED = "rated by the judge"
_OPEN = "not judged"


@dataclass(frozen=True)
class Said:
    """One model's answer. correct: None when nothing says so. note: what was read out of it, or the judge's rating."""

    model: str
    answer: str
    correct: bool | None
    note: str


@dataclass(frozen=True)
class Example:
    """One question with every model's answer."""

    question_id: str
    category: str
    question: str
    truth: str
    picture: Picture
    said: list[Said]


@dataclass(frozen=True)
class Kind:
    """Answers of one kind; of `count` answers, the examples are shown."""

    name: str
    count: int
    examples: list[Example]


@dataclass(frozen=True)
class Examples:
    """A benchmark's kinds of answers that there are, in a fixed order."""

    benchmark: str
    kinds: list[Kind]


def examples_of(models: Sequence[Evaluated], images_root: str) -> list[Examples]:
    """Questions that all models answered, a section a benchmark. A picture that cannot be read is replaced by words."""
    tables = [{(row["benchmark"], row["question_id"]): row for row in model.answers.rows()} for model in models]
    shared = [name for name in tables[0] if all(name in table for table in tables[1:])]
    store = ImageStore(images_root, attached=models[0].answers.files)
    sections = []
    for benchmark in dict.fromkeys(name[0] for name in shared):
        kinds: dict[str, list[list[Row]]] = {}
        for name in shared:
            if name[0] == benchmark:
                rows = [table[name] for table in tables]
                kinds.setdefault(_kind(rows), []).append(rows)
        order = [*_CHANGES.values(), *_SINGLE.values(), _JUDGED, _OPEN]
        made = [
            Kind(kind, len(kinds[kind]), [_example(models, rows, store) for rows in _drawn(kinds[kind])])
            for kind in sorted(kinds, key=order.index)
        ]
        sections.append(Examples(benchmark_title(benchmark), made))
    return sections


def _kind(rows: Sequence[Row]) -> str:
    correct = tuple(row["correct"] for row in rows)
    if None in correct:
        return _JUDGED if all(row["rating"] for row in rows) else _OPEN
    ends = (correct[0], correct[-1]) if len(correct) > 1 else correct
    return _CHANGES.get(ends) or _SINGLE[ends]


def _drawn(found: Sequence[list[Row]]) -> list[list[Row]]:
    def place(rows: list[Row]) -> str:
        return hashlib.sha256(f"{rows[0]['benchmark']}/{rows[0]['question_id']}".encode()).hexdigest()

    return sorted(found, key=place)[:SHOWN]


def _example(models: Sequence[Evaluated], rows: Sequence[Row], store: ImageStore) -> Example:
    row = rows[0]
    # An attached picture is the first model's own file; the digest would refuse a picture that changed since.
    digest = "" if row["image"].startswith(ATTACHED) else row["image_sha256"] or ""
    picture = picture_of(store, f"{row['benchmark']}/{row['question_id']}", row["image"], digest)
    said = [
        Said(model.name, one["answer"], one["correct"], _note(one)) for model, one in zip(models, rows, strict=True)
    ]
    return Example(row["question_id"], row["category"], row["question"], _plain(row["truth"]), picture, said)


def _note(row: Row) -> str:
    notes = []
    if row["parsed"] and row["parsed"].casefold() != row["answer"].strip(" .").casefold():
        notes.append(f"read as {_short(_plain(row['parsed']))}")
    if row["p_yes"] is not None:
        notes.append(f"P(yes) {row['p_yes']:.2f}")
    if row["rating"]:
        notes.append(f"rated {_short(row['rating'])}")
    return ", ".join(notes)


def _plain(text: str) -> str:
    """JSON in words: ["dog","plate"] as "dog, plate", {"gt_answer":"No."} as "reference answer: No."; other text as it
    is."""
    if not text.startswith(("[", "{")):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        parts = {key: text_of(part) for key, part in value.items() if key not in _NO_TRUTH}
        return "; ".join(f"{_PARTS.get(key, key.replace('_', ' '))}: {part}" for key, part in parts.items() if part)
    return text_of(value) or "nothing"


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
