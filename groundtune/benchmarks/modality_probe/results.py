"""From the rows of a probe to the figures of its manifest, each with a 95 % interval over images."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from groundtune.artifacts import Row
from groundtune.benchmarks.bootstrap import Estimate, Resampling, Totals, estimate
from groundtune.benchmarks.modality_probe.figures import FIGURES, Figure
from groundtune.benchmarks.question import Array, UnitCounts, ratio
from groundtune.settings import ProbeSettings


def results_of(rows: Sequence[Row], settings: ProbeSettings) -> dict[str, Any]:
    """{section: {counts ..., figure: {"value", "low", "high", "unit"}}, ..., "notes": [...]}.

    A part without rows has no section, a figure that no row has is absent (of the rewards: null), and a note says why.
    """
    resampling = resampling_of(settings)
    notes = _missing_parts(rows, settings)
    results: dict[str, Any] = _counts(rows)
    for figure in FIGURES:
        if figure.section not in results:
            continue
        table = table_of(figure, rows)
        if table is not None:
            results[figure.section][figure.name] = {**estimate_of(table, resampling).as_dict(), "unit": figure.unit}
            continue
        notes.append(f"{figure.section}.{figure.name}: {figure.absent}")
        if figure.section == "reward":
            results["reward"][figure.name] = None
    return {**results, "notes": notes}


def table_of(figure: Figure, rows: Iterable[Row]) -> UnitCounts | None:
    """A figure's sum and count by image, the unit of resampling; of the images that have it, None when none has."""
    sums: dict[str, list[float]] = {}
    for row in rows:
        value = figure.value(row)
        if value is not None:
            unit = sums.setdefault(row["image"], [0.0, 0.0])
            unit[0] += value
            unit[1] += 1.0
    if not sums:
        return None
    columns = np.array(list(sums.values()), dtype=np.float64)
    return UnitCounts(tuple(sums), {"sum": columns[:, 0], "count": columns[:, 1]})


def mean_of(totals: Sequence[Totals]) -> dict[str, Array]:
    """The one metric of a figure's table: its mean over rows."""
    return {"mean": ratio(totals[0]["sum"], totals[0]["count"])}


def estimate_of(table: UnitCounts, resampling: Resampling) -> Estimate:
    """The mean of a figure's table with its interval."""
    return estimate([table], mean_of, resampling)["mean"]


def resampling_of(settings: ProbeSettings) -> Resampling:
    """95 % intervals."""
    return Resampling(settings.bootstrap_resamples, 0.95, settings.seed)


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """The sections that there are, each with what was counted."""
    counts: dict[str, dict[str, int]] = {}
    for section in ("question", "caption"):
        if own := [row for row in rows if row["probe"] == section]:
            found = sum(row["region_area"] is not None for row in own)
            counts[section] = {"asked": len(own), "region_found": found, "region_not_found": len(own) - found}
    if "question" in counts:
        counts["attention"] = {"questions": sum(row["attention_image"] is not None for row in rows)}
    if pairs := sum(row["probe"] == "pair" for row in rows):
        counts["reward"] = {"pairs": pairs}
    return counts


def _missing_parts(rows: Sequence[Row], settings: ProbeSettings) -> list[str]:
    present = {row["probe"] for row in rows}
    parts = (
        ("question", "questions", "no POPE question with label yes in the files of evaluation.benchmarks"),
        ("caption", "captions", "no chair benchmark in evaluation.benchmarks"),
        ("pair", "pairs", "no preference pairs"),
    )
    return [
        f"{name}: {nothing if getattr(settings, setting) else f'left out, probe.{setting} is 0'}"
        for name, setting, nothing in parts
        if name not in present
    ]
