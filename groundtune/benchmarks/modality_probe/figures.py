"""The figures of a probe: each the mean of one number a row, where the row has it."""

from collections.abc import Callable
from dataclasses import dataclass

from groundtune.artifacts import Row
from groundtune.benchmarks.modality_probe.views import ALTERED, REGION
from groundtune.benchmarks.suite.pope import official_reading
from groundtune.candidates.meaning import content_words

Value = Callable[[Row], float | None]


@dataclass(frozen=True)
class Figure:
    """section, name: its place in the manifest's results. rows: the kind of rows that it is about (column `probe`).
    of: what one such row has, None when it lacks it; absent: why all of them may lack it.
    """

    section: str
    name: str
    rows: str
    unit: str
    of: Value
    absent: str = ""

    def value(self, row: Row) -> float | None:
        """Of any row of a `probe` artifact."""
        return self.of(row) if row["probe"] == self.rows else None


def _changed(view: str) -> Value:
    """Is the answer, as POPE reads it, another one than under the true image?"""
    return _where_asked(
        view, lambda row: float(official_reading(row["answer"]) != official_reading(row[f"answer_{view}"]))
    )


def _p_yes_drop(view: str) -> Value:
    """P(yes) under the true image less P(yes) under this one."""

    def value(row: Row) -> float | None:
        before, after = row["p_yes"], row[f"p_yes_{view}"]
        return None if before is None or after is None else before - after

    return value


def _rewritten(view: str) -> Value:
    """Is the caption another text than under the true image?"""
    return _where_asked(view, lambda row: float(row["answer"] != row[f"answer_{view}"]))


def _kept(view: str) -> Value:
    """Jaccard index of the captions' content words, 1 when neither has any."""

    def value(row: Row) -> float:
        before, after = content_words(row["answer"]), content_words(row[f"answer_{view}"])
        return len(before & after) / len(before | after) if before | after else 1.0

    return _where_asked(view, value)


def _where_asked(view: str, value: Callable[[Row], float]) -> Value:
    """None for rows that were not asked under this view: there is no region."""
    return lambda row: None if view == REGION and row["region_area"] is None else value(row)


def _column(name: str) -> Value:
    return lambda row: row[name]


_NO_REGION = "nothing that was spoken of was found in its image"
_NO_P_YES = "the tokenizer starts yes and no alike, or the probabilities are not finite"
_NO_LIFT = f"{_NO_REGION}, or the model's crop cuts it off"
_OWN_REFERENCE = "without an adapter the model is its own reference: 0 by definition"
_WHY = {view: _NO_REGION if view == REGION else "" for view in ALTERED}

FIGURES: tuple[Figure, ...] = (
    *(Figure("question", f"changed_{view}", "question", "share", _changed(view), _WHY[view]) for view in ALTERED),
    Figure("question", "p_yes", "question", "probability", _column("p_yes"), _NO_P_YES),
    *(
        Figure("question", name, "question", "probability", of, _WHY[view] or _NO_P_YES)
        for view in ALTERED
        for name, of in ((f"p_yes_{view}", _column(f"p_yes_{view}")), (f"p_yes_drop_{view}", _p_yes_drop(view)))
    ),
    *(Figure("caption", f"changed_{view}", "caption", "share", _rewritten(view), _WHY[view]) for view in ALTERED),
    *(Figure("caption", f"kept_{view}", "caption", "Jaccard index", _kept(view), _WHY[view]) for view in ALTERED),
    Figure("attention", "image_share", "question", "share", _column("attention_image"), _NO_REGION),
    Figure("attention", "region_lift", "question", "ratio", _column("attention_region"), _NO_LIFT),
    Figure("reward", "text", "pair", "nats, without beta", _column("text_reward"), _OWN_REFERENCE),
    Figure("reward", "image", "pair", "nats, without beta", _column("image_reward"), _OWN_REFERENCE),
    Figure("reward", "image_dependence", "pair", "nats a token", _column("image_dependence")),
    Figure("reward", "image_dependence_rejected", "pair", "nats a token", _column("image_dependence_rejected")),
)
