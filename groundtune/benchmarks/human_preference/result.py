"""read_verdicts: raters' files -> win rate with interval, per rater and for all, and how far they agree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from groundtune.artifacts import Row
from groundtune.benchmarks.bootstrap import Estimate, Resampling, Totals, estimate, paired_difference
from groundtune.benchmarks.human_preference.agreement import cohens_kappa, krippendorffs_alpha, raw_agreement
from groundtune.benchmarks.human_preference.key import Key, read_key
from groundtune.benchmarks.human_preference.verdicts import Verdict, read_raters
from groundtune.benchmarks.question import Array, UnitCounts, ratio
from groundtune.errors import ArtifactError

PROTOCOL = "people, blind pairwise, ties half"


@dataclass(frozen=True)
class WinRate:
    """win_rate: share of pairs that the aligned model wins, ties half, with its bootstrap interval over images.

    p: two-sided, of "no image cares which model answered" (permutation). judged: pairs with a verdict. aligned, base,
    tie: verdicts of each kind. first: share of decided verdicts for the answer that stood first; far from 0.5, a habit
    rather than a judgement. seconds: median time a pair.
    """

    win_rate: Estimate
    p: float
    judged: int
    aligned: int
    base: int
    tie: int
    first: float | None
    seconds: float


@dataclass(frozen=True)
class HumanPreference:
    """all: over all raters, every judged pair weighing the same however many judged it. pairs: shown on the sheet.
    identical: met while drawing, equal answers, ties that nobody read. agreement: raw, alpha, and of exactly two raters
    kappa; a value is None where it is not defined. overlap: pairs that two raters or more judged."""

    sheet: str
    base: str
    aligned: str
    protocol: str
    interval: float
    pairs: int
    identical: int
    all: WinRate
    raters: dict[str, WinRate]
    agreement: dict[str, float | None]
    overlap: int

    def as_dict(self) -> Row:
        """JSON values, nested; the `results` of a manifest or a metrics file."""
        return asdict(self)


def read_verdicts(
    key: Key | str | Path, files: Iterable[str | Path], resampling: Resampling | None = None
) -> HumanPreference:
    """The human preference score of one sheet (ours).

    key: of `write_sheet`, or its file. files: what raters saved, one a rater. A pair of identical answers is a tie that
    weighs as much as a shown one; when raters judged only a part of the sheet, it weighs by that part. Raises
    ArtifactError and RecordError of `read_key` and `read_raters`, and ArtifactError when there is no verdict at all.
    """
    key = key if isinstance(key, Key) else read_key(key)
    resampling = resampling or Resampling()
    raters = read_raters(key, files)
    labels = {name: {one.pair_id: one.winner for one in verdicts} for name, verdicts in raters.items()}
    everyone = [verdict for verdicts in raters.values() for verdict in verdicts]
    if not everyone:
        raise ArtifactError(f"no verdict on sheet {key.sheet[:12]}: expected at least one saved file that holds some")
    agreement = {"raw": raw_agreement(labels), "alpha": krippendorffs_alpha(labels)}
    if len(labels) == 2:
        agreement["kappa"] = cohens_kappa(*labels.values())
    seen = [pair_id for verdicts in labels.values() for pair_id in verdicts]
    return HumanPreference(
        sheet=key.sheet,
        base=key.base,
        aligned=key.aligned,
        protocol=PROTOCOL,
        interval=resampling.interval,
        pairs=len(key.pairs),
        identical=len(key.identical),
        all=_win_rate(key, everyone, resampling),
        raters={name: _win_rate(key, verdicts, resampling) for name, verdicts in raters.items() if verdicts},
        agreement=agreement,
        overlap=sum(seen.count(pair_id) > 1 for pair_id in set(seen)),
    )


def _win_rate(key: Key, verdicts: Sequence[Verdict], resampling: Resampling) -> WinRate:
    points: dict[str, list[float]] = {}
    for verdict in verdicts:
        points.setdefault(verdict.pair_id, []).append({"aligned": 1.0, "base": 0.0, "tie": 0.5}[verdict.winner])
    counted = [(pair.image, float(np.mean(points[pair.pair_id])), 1.0) for pair in key.pairs if pair.pair_id in points]
    part = len(points) / len(key.pairs)
    counted += [(pair.image, 0.5, part) for pair in key.identical]
    base, aligned = _counts(counted, "base"), _counts(counted, "aligned")
    decided = [verdict.first for verdict in verdicts if verdict.first is not None]
    kinds = [verdict.winner for verdict in verdicts]
    return WinRate(
        win_rate=estimate([aligned], _share, resampling)["win_rate"],
        p=paired_difference([base], [aligned], _share, resampling)["win_rate"].p,
        judged=len(points),
        aligned=kinds.count("aligned"),
        base=kinds.count("base"),
        tie=kinds.count("tie"),
        first=sum(decided) / len(decided) if decided else None,
        seconds=median(verdict.seconds for verdict in verdicts),
    )


def _counts(counted: Sequence[tuple[str, float, float]], side: str) -> UnitCounts:
    """counted: (image, points of the aligned answer, weight)."""
    units = tuple(dict.fromkeys(image for image, _, _ in counted))
    place = {unit: index for index, unit in enumerate(units)}
    columns = {name: np.zeros(len(units)) for name in ("points", "pairs")}
    for image, points, weight in counted:
        columns["points"][place[image]] += weight * (points if side == "aligned" else 1.0 - points)
        columns["pairs"][place[image]] += weight
    return UnitCounts(units, columns)


def _share(tables: Sequence[Totals]) -> Mapping[str, Array]:
    return {"win_rate": ratio(tables[0]["points"], tables[0]["pairs"])}


def to_markdown(result: HumanPreference) -> str:
    """What a person reads: a row a rater and one for all, and a sentence on agreement."""
    lines = [
        "| rater | win rate of aligned | p | pairs | aligned : tie : base | first answer preferred | seconds a pair |",
        "|---|---|---|---|---|---|---|",
        *(_row(_cell(name), one) for name, one in result.raters.items()),
    ]
    if len(result.raters) > 1:
        lines.append(_row("**all**", result.all))
    shown: Any = {"raw": "raw agreement", "kappa": "Cohen's kappa", "alpha": "Krippendorff's alpha"}
    agreed = ", ".join(
        f"{shown[name]} {'not defined' if value is None else f'{value:.2f}'}"
        for name, value in result.agreement.items()
    )
    lines += [
        "",
        f"Ties count half. Brackets: {result.interval:.0%} intervals, bootstrap over images; p by permutation. "
        f"{result.pairs} pairs on sheet {result.sheet[:12]}; {result.identical} pairs of identical answers were not "
        "shown and count as ties.",
    ]
    if len(result.raters) > 1:
        lines.append(f"Agreement on the {result.overlap} pairs that two raters or more judged: {agreed}.")
    return "\n".join(lines) + "\n"


def _row(name: str, one: WinRate) -> str:
    first = "–" if one.first is None else f"{one.first:.0%}"
    rate = f"{one.win_rate.value:.3f} [{one.win_rate.low:.3f}, {one.win_rate.high:.3f}]"
    cells = [name, rate, f"{one.p:.3g}", str(one.judged), f"{one.aligned} : {one.tie} : {one.base}", first]
    return f"| {' | '.join(cells)} | {one.seconds:.1f} |"


def _cell(text: str) -> str:
    """A rater's name must not become markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
