"""Which questions a sheet asks, and which model's answer stands first: drawn once, hidden from the raters."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.question import PREFERABLE
from groundtune.errors import ArtifactError, SettingError


@dataclass(frozen=True)
class Pair:
    """Two answers to one question. pair_id: opaque, tells neither the question nor the sides."""

    pair_id: str
    benchmark: str
    question_id: str
    image: str
    image_sha256: str
    question: str
    base: str
    aligned: str
    aligned_first: bool


@dataclass(frozen=True)
class Drawn:
    """pairs: what raters see, in their order. identical: pairs with equal answers, met while drawing: ties, not
    shown."""

    pairs: list[Pair]
    identical: list[Pair]


def draw_pairs(base: Artifact, aligned: Artifact, number: int, seed: int) -> Drawn:
    """Walk through the questions of kind caption and open in a random order until `number` pairs differ (ours).

    Pairs of equal answers that are met on the way are ties that nobody has to read. Order, ids and sides come from the
    seed together with the digests of both artifacts, so a page whose seed is known still tells nothing; as many
    aligned answers stand first as second, one apart when the number is odd. Raises SettingError (number) and
    ArtifactError: not `answers`, not the same questions, no question of these kinds, or nothing that differs.
    """
    if number < 1:
        raise SettingError("number", number, "at least 1 pair")
    before, after = _open_rows(base), _open_rows(aligned)
    _check_same(base, before, aligned, after)
    secret = f"{seed} {base.digest} {aligned.digest}"
    order = random.Random(_hash(secret, "order"))
    names = sorted(before)
    order.shuffle(names)
    shown: list[tuple[str, str]] = []
    identical: list[tuple[str, str]] = []
    for name in names:
        if len(shown) == number:
            break
        (identical if _said(before[name]) == _said(after[name]) else shown).append(name)
    if not shown:
        raise ArtifactError(
            f"{base.path} and {aligned.path} give the same answer to all {len(names)} questions of kind "
            f"{' and '.join(PREFERABLE)}: there is nothing to compare"
        )
    sides = [index % 2 == 0 for index in range(len(shown))]
    random.Random(_hash(secret, "sides")).shuffle(sides)

    def pair(name: tuple[str, str], aligned_first: bool) -> Pair:
        row, other = before[name], after[name]
        pair_id = _hash(secret, f"pair {name[0]}/{name[1]}")[:12]
        sha256 = row["image_sha256"] or ""
        return Pair(pair_id, *name, row["image"], sha256, row["question"], _said(row), _said(other), aligned_first)

    return Drawn(
        [pair(name, side) for name, side in zip(shown, sides, strict=True)],
        [pair(name, False) for name in identical],
    )


def _open_rows(answers: Artifact) -> dict[tuple[str, str], Row]:
    if answers.kind != "answers":
        raise ArtifactError(f"{answers.path}: holds {answers.kind!r}, expected an evaluation's 'answers'")
    rows = {(row["benchmark"], row["question_id"]): row for row in answers.rows() if row["kind"] in PREFERABLE}
    if not rows:
        raise ArtifactError(
            f"{answers.path}: no answer to a question of kind {' or '.join(PREFERABLE)}; a sheet needs descriptions or "
            "open questions, for example of chair, amber, mmhal or llava_bench"
        )
    return rows


def _check_same(
    base: Artifact, before: Mapping[tuple[str, str], Row], aligned: Artifact, after: Mapping[tuple[str, str], Row]
) -> None:
    for name in [*before, *after]:
        one, two = before.get(name), after.get(name)
        if one is None or two is None:
            missing = base if one is None else aligned
            raise ArtifactError(
                f"{name[0]}/{name[1]}: {missing.path} holds no answer to it; evaluate both models on the same questions"
            )
        if any(one[field] != two[field] for field in ("image", "image_sha256", "question")):
            raise ArtifactError(
                f"{name[0]}/{name[1]}: {base.path} was asked {one['question']!r} about {one['image']}, "
                f"{aligned.path} {two['question']!r} about {two['image']} or other bytes of it; evaluate both on the "
                "same questions and pictures"
            )


def _said(row: Row) -> str:
    """Space at the ends is no difference that a reader sees."""
    return str(row["answer"]).strip()


def _hash(secret: str, purpose: str) -> str:
    return hashlib.sha256(f"{secret} {purpose}".encode()).hexdigest()
