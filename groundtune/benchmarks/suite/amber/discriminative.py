"""AMBER's yes/no task: counts of an answer, and the published metrics of their sums. Positive class = no."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from groundtune.benchmarks.question import Array, Counts

# Group -> the categories whose questions are in it, "" for all of them. Precision and recall round within it.
TABLES: dict[str, tuple[str, ...]] = {
    "": ("existence", "attribute.state", "attribute.number", "attribute.action", "relation"),
    "existence": ("existence",),
    "attribute": ("attribute.state", "attribute.number", "attribute.action"),
    "attribute.state": ("attribute.state",),
    "attribute.number": ("attribute.number",),
    "attribute.action": ("attribute.action",),
    "relation": ("relation",),
}
# Every count starts so in the published script, which keeps it from dividing by zero; `attribute` adds three of them.
START = 0.001
# Added to precision + recall in the published F1; existence has another one there.
_F1_START = {"existence": 0.001}
_F1_START_ELSEWHERE = 0.0001


def official_reading(answer: str) -> str:
    """ "yes" and "no" when the answer is exactly Yes or No, else "other": wrong, whatever the truth."""
    return {"Yes": "yes", "No": "no"}.get(answer, "other")


def counts_of(category: str, truth: str, said: str) -> Counts:
    """Counts of one question, named by its category."""
    return {
        f"{category}.questions": 1.0,
        f"{category}.right": float(said == truth),
        f"{category}.actual_no": float(truth == "no"),
        f"{category}.said_no": float(said == "no"),
        f"{category}.hits_no": float(truth == said == "no"),
        f"{category}.unparsed": float(said == "other"),
    }


def metrics_of(totals: Mapping[str, Array]) -> dict[str, Array]:
    """accuracy, precision, recall, f1 and unparsed of all questions, and the first four of every group that has any.

    Shares in [0, 1]. As published, F1 is of precision and recall that were rounded to a tenth of a percent.
    """
    found: dict[str, Array] = {}
    for table, categories in TABLES.items():
        present = [category for category in categories if f"{category}.questions" in totals]
        if not present:
            continue
        # One start for all questions together, else one for every category of the group.
        start = START * (len(categories) if table else 1)
        sums = {
            name: np.asarray(sum(totals[f"{category}.{name}"] for category in present), dtype=np.float64)
            for name in ("questions", "right", "actual_no", "said_no", "hits_no", "unparsed")
        }
        precision = sums["hits_no"] / (sums["said_no"] + start)
        recall = sums["hits_no"] / (sums["actual_no"] + start)
        prefix = f"{table}." if table else ""
        found[f"{prefix}accuracy"] = sums["right"] / (sums["questions"] + start)
        found[f"{prefix}precision"] = precision
        found[f"{prefix}recall"] = recall
        found[f"{prefix}f1"] = _f1(precision, recall, _F1_START.get(table, _F1_START_ELSEWHERE))
        if not table:
            found["unparsed"] = sums["unparsed"] / (sums["questions"] + start)
    return found


def _f1(precision: Array, recall: Array, start: float) -> Array:
    p, r = (np.round(share * 100, 1) / 100 for share in (precision, recall))
    result: Any = 2 * p * r / (p + r + start)
    return np.asarray(result, dtype=np.float64)
