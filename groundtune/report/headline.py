"""The few figures that decide whether an alignment helped: hallucination, coverage, existence questions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundtune.artifacts import read_artifact
from groundtune.benchmarks.comparison import compare

LEAD = {  # (benchmark family, metric) -> what a person calls it
    ("chair", "chairs"): "captions with a hallucinated object (CHAIRs)",
    ("chair", "chairi"): "hallucinated object mentions (CHAIRi)",
    ("chair", "recall"): "objects covered (recall)",
    ("pope", "accuracy"): "existence questions right (POPE accuracy)",
    ("pope", "f1"): "POPE F1",
}
_ARROWS = {"higher": "↑", "lower": "↓"}


def lead_rows(comparison: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(label, row) of the headline metrics that were measured; POPE as the mean of its splits when it has several."""
    for (family, metric), label in LEAD.items():
        rows = [r for r in comparison["rows"] if r["metric"] == metric and r["benchmark"].split("_")[0] == family]
        rows = [r for r in rows if r["reading"] != "strict"]
        means = [r for r in rows if r["reading"].startswith("mean of")]
        for row in (means or rows)[:1]:
            yield label, row


def headline_text(base_answers: str | Path, aligned_answers: str | Path) -> str:
    """For a terminal: before, after, paired difference, each in % with its interval."""
    comparison = compare(read_artifact(base_answers, "answers"), read_artifact(aligned_answers, "answers"))
    lines = [("", "base", "aligned", "difference")]
    for label, row in lead_rows(comparison):
        cells = _percent(row["base"]), _percent(row["aligned"]), _percent(row["difference"], "+")
        lines.append((f"{label} {_ARROWS.get(row['better'], '')}", *cells))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    table.append(f"in %, with {comparison['interval']:.0%} intervals (bootstrap over images; differences are paired)")
    return "\n".join(table)


def _percent(figure: Mapping[str, float], sign: str = "") -> str:
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
