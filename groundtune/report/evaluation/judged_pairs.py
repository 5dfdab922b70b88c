"""Pairs that a judge was asked about, one of each outcome, with both answers and the judge's words in both orders."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundtune.artifacts import Artifact, Row
from groundtune.images import ATTACHED, ImageStore
from groundtune.report.evaluation.words import benchmark_title
from groundtune.report.pictures import Picture, picture_of

_LONGEST = 600  # characters of the judge's words that are shown


@dataclass(frozen=True)
class Spoken:
    """The judge's verdict in one order. first: the model whose answer it saw as A. words: its reply, cut."""

    first: str
    verdict: str
    words: str


@dataclass(frozen=True)
class Judged:
    """One pair. kind: the outcome in words. answers: (model, answer, was preferred)."""

    benchmark: str
    question_id: str
    question: str
    kind: str
    picture: Picture
    answers: list[tuple[str, str, bool]]
    spoken: list[Spoken]


def judged_pairs(pairwise: Artifact, model: Artifact, store: ImageStore, names: tuple[str, str]) -> list[Judged]:
    """At most three, of the outcomes that there are; names: of base and aligned. Equal answers are no example."""
    drawn = _drawn(pairwise)
    wanted = {_key(rows[0]) for rows in drawn}
    pictures = {_key(row): row["image_sha256"] for row in model.rows() if _key(row) in wanted}
    return [_judged(rows, names, store, pictures.get(_key(rows[0]), "")) for rows in drawn]


def _drawn(pairwise: Artifact) -> list[list[Row]]:
    """A pair of each outcome that there is, drawn by a hash of the question's id; equal answers tell nothing."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in pairwise.rows():
        found.setdefault(_key(row), []).append(row)
    asked = {name: rows for name, rows in found.items() if all(row["reply"] and row["winner"] for row in rows)}
    shown: dict[str, list[Row]] = {}
    for name in sorted(asked, key=lambda name: hashlib.sha256("/".join(name).encode()).hexdigest()):
        shown.setdefault(_outcome(asked[name]), asked[name])
    order = ("aligned", "base", "order", "tie")
    return [shown[outcome] for outcome in order if outcome in shown][:3]


def _key(row: Row) -> tuple[str, str]:
    return row["benchmark"], row["question_id"]


def _outcome(rows: Sequence[Row]) -> str:
    """ "aligned" or "base" preferred, in one order at least and never the other; "order" decides; "tie" in both."""
    winners = {row["winner"] for row in rows}
    preferred = winners - {"tie"}
    return "order" if len(preferred) > 1 else preferred.pop() if preferred else "tie"


def _judged(rows: Sequence[Row], names: tuple[str, str], store: ImageStore, sha256: str) -> Judged:
    row = rows[0]
    called = dict(zip(("base", "aligned"), names, strict=True))
    outcome = _outcome(rows)
    kind = {"order": "the order decides", "tie": "tie"}.get(outcome) or f"{called[outcome]} preferred"
    # An attached picture is the first model's own file.
    digest = "" if row["image"].startswith(ATTACHED) else sha256
    return Judged(
        benchmark=benchmark_title(row["benchmark"]),
        question_id=row["question_id"],
        question=row["question"],
        kind=kind,
        picture=picture_of(store, f"{row['benchmark']}/{row['question_id']}", row["image"], digest),
        answers=[(called[side], row[f"{side}_answer"], side == outcome) for side in called],
        spoken=[_spoken(one, called) for one in rows],
    )


def _spoken(row: Row, called: Mapping[str, str]) -> Spoken:
    winner = row["winner"]
    words = row["reply"].strip()
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
    return Spoken(
        called[row["order"].removesuffix("_first")],
        "a tie" if winner == "tie" else f"for {called[winner]}",
        words,
    )
