"""Section "image preferences": what was destroyed in the pictures, and how much the base model's belief hung on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from groundtune.artifacts import Row
from groundtune.images import ImageStore
from groundtune.report.charts.figure import padded
from groundtune.report.charts.histogram import Group, histogram
from groundtune.report.corrupted_pairs import CorruptedPair, corrupted_pairs, drops_of
from groundtune.report.image_gallery import ImageCard, cards_of
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.report.wording import count, decimal, fallback, percent, plural

_REGIONS = {
    "keyword": "the regions of the answer’s keywords",
    "random": "random regions as large as those of the answer’s keywords (an ablation)",
    "whole": "the whole picture (an ablation)",
}


@dataclass(frozen=True)
class ImagePreferences:
    """how: what was done to the pictures, in words. dependence: histogram of the drops, "" without an image reference;
    area: histogram of the destroyed share. referenced: pairs with a drop, of `total`. cards: regions, then whole.
    """

    how: str
    findings: list[str]
    dependence: Markup
    area: Markup
    total: int
    referenced: int
    cards: list[ImageCard]


def image_preferences_of(
    run: RunArtifacts, pairs: Sequence[Row], prompts: dict[str, Row], store: ImageStore
) -> ImagePreferences | None:
    """None when the run has no image preferences."""
    if not run.image_pairs:
        return None
    found = corrupted_pairs(run, pairs)
    settings = run.image_pairs[0].settings
    drops = drops_of(found)
    areas = np.array([one.image["area"] for one in found], dtype=np.float64)
    return ImagePreferences(
        how=f"{_manner(settings)} in {_REGIONS.get(settings.get('region', ''), 'regions')}",
        findings=_findings(found, areas, drops, settings.get("region", "")),
        dependence=_dependence(drops) if drops.size else Markup(""),
        area=_area(areas) if areas.size else Markup(""),
        total=len(found),
        referenced=int(drops.size),
        cards=cards_of(found, prompts, store, settings.get("least_score")),
    )


def line_of(run: RunArtifacts, pairs: Sequence[Row]) -> str:
    """The section in one line of plain text; "" when the run has no image preferences."""
    if not run.image_pairs:
        return ""
    found = corrupted_pairs(run, pairs)
    if not found:
        return "no picture was corrupted."
    region = run.image_pairs[0].settings.get("region", "")
    reasons = Counter(one.image["fallback"] for one in found if one.image["fallback"])
    told = ", ".join(f"{fallback(code)} ({count(number)})" for code, number in sorted(reasons.items()))
    drops = drops_of(found)
    cost = ""
    if drops.size:
        middle = decimal(float(np.median(drops)), 1)
        cost = f" Before training, the median chosen answer loses {middle} nats of log-prob by it."
    return f"{_destroyed(found, region)}{f' Why whole: {told}.' if told else ''}{cost}"


def _manner(settings: Mapping[str, Any]) -> str:
    kind = settings.get("corruption", "")
    if kind == "diffusion":
        return f"Gaussian noise (diffusion step {settings.get('noise_step')})"
    return {"blur": "blur", "mean": "the mean colour of the surroundings"}.get(kind, "corruption")


def _dependence(drops: NDArray[np.float64]) -> Markup:
    """The most extreme half percent on either side goes into the outermost bins."""
    low, high = padded(np.quantile(drops, [0.005, 0.995]).tolist(), 0.02, include=(0.0,))
    return histogram(
        "How much the base model’s belief in the chosen answer depends on what was destroyed",
        "drop of log-prob, nats (0: does not depend on it)",
        [Group("pairs", "chosen", drops)],
        (low, high),
        unit="pairs",
        zero=True,
    )


def _area(areas: NDArray[np.float64]) -> Markup:
    groups = [Group("pairs", "all", 100 * areas)]
    return histogram("Destroyed share of the pictures", "% of the pixels", groups, (0.0, 100.0), unit="pairs")


def _findings(
    found: list[CorruptedPair], areas: NDArray[np.float64], drops: NDArray[np.float64], region: str
) -> list[str]:
    if not found:
        return []
    keywords = [word for one in found for word in one.image["keywords"]]
    lost = sum(not word["found"] for word in keywords)
    said = [
        f"{_destroyed(found, region)} The median copy loses {percent(float(np.median(areas)), 0)} of its pixels.",
        f"{plural(len(keywords), 'keyword')}, {decimal(len(keywords) / len(found), 1)} an answer; {count(lost)} of "
        f"them ({percent(lost / max(len(keywords), 1), 0)}) {'was' if lost == 1 else 'were'} not found in the picture.",
    ]
    if drops.size:
        low, middle, high = np.quantile(drops, [0.25, 0.5, 0.75]).tolist()
        blind = int((drops <= 0).sum())
        said.append(
            f"Before training, the median chosen answer loses {decimal(middle, 1)} nats of log-prob when its picture "
            f"is corrupted (middle half {decimal(low, 1)} to {decimal(high, 1)}; 0.7 nats halve a probability, "
            f"2.3 make it ten times smaller). {_blind(blind, drops.size)}"
        )
    return said


def _destroyed(found: list[CorruptedPair], region: str) -> str:
    """The pairs by what they lose; together they are all."""
    if region == "whole":
        return f"All {plural(len(found), 'pair')} lose the whole picture."
    whole = sum(bool(one.image["fallback"]) for one in found)
    lost = "random regions" if region == "random" else "what their keywords point to"
    return (
        f"Of {plural(len(found), 'pair')}, {count(len(found) - whole)} lose {lost}, {count(whole)} the whole picture."
    )


def _blind(blind: int, pairs: int) -> str:
    if not blind:
        return "None becomes likelier."
    return (
        f"{count(blind)} ({percent(blind / pairs, 1)}) {'becomes' if blind == 1 else 'become'} likelier: the model "
        "does not need what was destroyed to say them."
    )
