"""Section "answers": what base and aligned model say of the same picture, better, the same, and worse."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from groundtune.artifacts import Row
from groundtune.images import ImageStore
from groundtune.report.marked_text import Piece, mark_objects
from groundtune.report.metrics import family_of
from groundtune.report.pictures import Picture, picture_of
from groundtune.report.run_artifacts import RunArtifacts

_DESCRIBED = ("chair", "object_halbench")  # families whose answers are descriptions, read as lists of objects
SHOWN = {"fewer": 4, "same": 4, "more": 4}


@dataclass(frozen=True)
class Side:
    """One model's answer. invented: objects named that are not there; missed: objects that are there and unnamed."""

    text: str
    pieces: list[Piece]
    invented: list[str]
    missed: list[str]


@dataclass(frozen=True)
class Change:
    """Two answers to one question."""

    question_id: str
    question: str
    image: str
    truth: list[str]
    base: Side
    aligned: Side

    @property
    def kind(self) -> str:
        """ "fewer", "same" or "more" invented objects than before."""
        before, after = len(self.base.invented), len(self.aligned.invented)
        return "fewer" if after < before else "more" if after > before else "same"


@dataclass(frozen=True)
class Changes:
    """counts: how many answers of each kind there are; lost: answers that no longer name something that is there.

    examples: kind -> (change, picture), drawn by a hash of the question's id: nobody picked them.
    """

    counts: dict[str, int]
    lost: int
    clean: int
    examples: dict[str, list[tuple[Change, Picture]]]


def changes_of(run: RunArtifacts, store: ImageStore) -> Changes | None:
    """None when one of the models answered no description question."""
    if run.base is None or run.aligned is None:
        return None
    after = {_key(row): row for row in run.aligned.rows() if _is_description(row)}
    changes = [_change(row, after[_key(row)]) for row in run.base.rows() if _is_description(row) and _key(row) in after]
    if not changes:
        return None
    of_kind: dict[str, list[Change]] = {kind: [] for kind in SHOWN}
    for change in changes:
        of_kind[change.kind].append(change)
    examples = {}
    store = replace(store, attached=run.base.files)  # Object HalBench's pictures may come inside its question file
    for kind, number in SHOWN.items():
        ranked = sorted(of_kind[kind], key=lambda change: (_dullness(change, kind), _rank(change)))
        examples[kind] = [(change, picture_of(store, change.question_id, change.image)) for change in ranked[:number]]
    return Changes(
        counts={kind: len(found) for kind, found in of_kind.items()},
        lost=sum(bool(set(change.aligned.missed) - set(change.base.missed)) for change in changes),
        clean=sum(not change.base.invented for change in of_kind["same"]),
        examples=examples,
    )


def _dullness(change: Change, kind: str) -> int:
    """Unchanged answers that still invent something come first: those that were right before tell nothing."""
    return int(kind == "same" and not change.aligned.invented)


def _rank(change: Change) -> str:
    return hashlib.sha256(change.question_id.encode()).hexdigest()


def _key(row: Row) -> tuple[str, str]:
    return row["benchmark"], row["question_id"]


def _is_description(row: Row) -> bool:
    return family_of(row["benchmark"]) in _DESCRIBED


def _change(before: Row, after: Row) -> Change:
    truth = _objects(before["truth"])
    return Change(
        before["question_id"], before["question"], before["image"], truth, _side(before, truth), _side(after, truth)
    )


def _side(row: Row, truth: list[str]) -> Side:
    named = _objects(row["parsed"])
    invented = sorted({name for name in named if name not in truth})
    missed = [name for name in truth if name not in named]
    return Side(row["answer"], mark_objects(row["answer"], invented), invented, missed)


def _objects(text: str) -> list[str]:
    """A list, or Object HalBench's truth: the list with the table that its judge's names are looked up in."""
    value: Any = json.loads(text)
    if isinstance(value, dict):
        value = value["objects"]
    return [str(item) for item in value]
