"""Section "scores": what the answers of the pools look like, and which of them became pairs."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from groundtune.artifacts import Row
from groundtune.report import wording
from groundtune.report.charts.figure import padded
from groundtune.report.charts.histogram import Group, histogram
from groundtune.report.charts.scatter import Points, downsampled, scatter

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distributions:
    """Four charts and the sentences that read them. shown: points drawn in the scatter, of `total`."""

    mas: Markup
    confidence: Markup
    scatter: Markup
    entropy: Markup
    findings: list[str]
    shown: int
    total: int


def distributions_of(scores: list[Row], pairs: list[Row]) -> Distributions | None:
    """None without a scored answer."""
    if not scores:
        return None
    chosen = {pair["chosen_id"] for pair in pairs}
    rejected = {pair["rejected_id"] for pair in pairs}
    mas, confidence = _groups(scores, chosen, rejected, "mas"), _groups(scores, chosen, rejected, "confidence")
    believed = _confidence_limits(confidence[0].values)
    points = downsampled(_points(scores, chosen, rejected))
    pools = {row["prompt_id"]: row["pool_entropy"] for row in scores}
    entropy = np.array([value for value in pools.values() if value is not None], dtype=np.float64)
    return Distributions(
        mas=histogram(
            "MAS of all, chosen and rejected answers", "MAS, does the answer fit the picture", mas, (0.0, 1.0)
        ),
        confidence=histogram(
            "Confidence of all, chosen and rejected answers", "confidence, nats a token", confidence, believed
        ),
        scatter=scatter("MAS against confidence", "confidence, nats a token", points, believed),
        entropy=histogram(
            "Entropy of the pools",
            "pool entropy, nats",
            [Group("pools", "all", entropy)],
            (0.0, max(padded(entropy.tolist(), 0.0)[1], 0.1)),
            unit="pools",
        ),
        findings=_findings(mas, confidence, entropy),
        shown=sum(len(group.points) for group in points),
        total=len(scores),
    )


def _groups(scores: list[Row], chosen: set[str], rejected: set[str], column: str) -> list[Group]:
    def values(keep: set[str] | None) -> Floats:
        rows = (row for row in scores if keep is None or row["candidate_id"] in keep)
        return np.array([row[column] for row in rows], dtype=np.float64)

    return [
        Group("all", "all", values(None)),
        Group("chosen", "chosen", values(chosen)),
        Group("rejected", "rejected", values(rejected)),
    ]


def _confidence_limits(values: Floats) -> tuple[float, float]:
    """From the least believed 1 % (the rest goes into the outermost bin) up to 0, the most that a log-prob can be."""
    low = float(np.quantile(values, 0.01))
    return min(low * 1.05, -0.05), 0.0


def _points(scores: list[Row], chosen: set[str], rejected: set[str]) -> list[Points]:
    sides: dict[str, list[tuple[str, float, float]]] = {"all": [], "rejected": [], "chosen": []}
    for row in scores:
        identity = row["candidate_id"]
        # In several pairs of one pool an answer keeps one side; m3p never lets it take both.
        side = "chosen" if identity in chosen else "rejected" if identity in rejected else "all"
        sides[side].append((identity, row["confidence"], row["mas"]))
    names = {"all": "neither", "rejected": "rejected", "chosen": "chosen"}
    return [Points(names[side], side, points) for side, points in sides.items()]


def _findings(mas: list[Group], confidence: list[Group], entropy: Floats) -> list[str]:
    """Plain sentences, each a reading of the numbers beside it."""

    def median(group: Group) -> float:
        return float(np.median(group.values))

    flat = float(np.mean(entropy < 1e-6))
    always = f"in {wording.percent(flat, 0)} of the pools the model always says the same"
    same = always if flat else "no pool is unanimous"
    spread = f"The median pool has an entropy of {wording.decimal(float(np.median(entropy)))} nats; {same}."
    if not mas[1].values.size:
        return [f"The median answer has a MAS of {wording.decimal(median(mas[0]))}. No pair was selected.", spread]
    apart = median(confidence[2]) - median(confidence[1])
    belief = (
        "more confident in the rejected answers than in"
        if apart > 0.05
        else "less confident in the rejected answers than in"
        if apart < -0.05
        else "about as confident in the rejected answers as in"
    )
    return [
        f"The median chosen answer has a MAS of {wording.decimal(median(mas[1]))}, the median rejected one "
        f"{wording.decimal(median(mas[2]))}, all answers {wording.decimal(median(mas[0]))}.",
        f"The model is {belief} the chosen ones (median {wording.decimal(median(confidence[2]))} against "
        f"{wording.decimal(median(confidence[1]))} nats a token): these negatives are "
        f"{'hard' if apart > -0.05 else 'on the easy side'}.",
        spread,
    ]
