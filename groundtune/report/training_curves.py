"""Section "training": small charts of the training log, and sentences that say what the curves mean."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from groundtune.report.charts.figure import legend
from groundtune.report.charts.lines import Curve, Span, line_chart
from groundtune.report.wording import count, decimal, difficulties, percent

Record = dict[str, float]
# title, (column, name, class of the colour)..., show zero, fixed limits
_CHARTS: tuple[tuple[str, tuple[tuple[str, str, str], ...], bool, tuple[float, float] | None], ...] = (
    (
        "Rewards",
        (
            ("reward_margin", "margin", "margin"),
            ("reward_rejected", "rejected", "rejected"),
            ("reward_chosen", "chosen", "chosen"),
        ),
        True,
        None,
    ),
    (
        "Loss and its terms",
        (("loss", "total", "margin"), ("dpo_loss", "text", "chosen"), ("anchor_loss", "anchor", "rejected")),
        False,
        None,
    ),
    (
        "Rewards under both pictures",
        (
            ("reward_image_gap", "gap", "margin"),
            ("reward_corrupted", "corrupted picture", "rejected"),
            ("reward_chosen", "true picture", "chosen"),
        ),
        True,
        None,
    ),
    ("Loss of the image term", (("image_loss", "image", "chosen"),), False, None),
    ("Accuracy", (("accuracy", "chosen above rejected", "chosen"),), False, (0.0, 1.0)),
    ("KL to the base model", (("kl", "nats a token", "chosen"),), True, None),
    ("Learning rate", (("learning_rate", "learning rate", "margin"),), True, None),
    ("Gradient norm", (("grad_norm", "before clipping", "margin"),), True, None),
)
_OF_IMAGES = frozenset({"reward_image_gap", "reward_corrupted", "image_loss"})


@dataclass(frozen=True)
class Panel:
    """One chart with its heading and its key."""

    title: str
    key: Markup
    chart: Markup


@dataclass(frozen=True)
class Training:
    """Panels in the order of importance, and the sentences that read them. stages: of the curriculum, 1 without one."""

    panels: list[Panel]
    findings: list[str]
    steps: int
    stages: int


def training_of(log: list[Record], settings: Mapping[str, Any]) -> Training | None:
    """None without a training log. A column that no record holds has no panel; a panel of image preferences needs one
    of their own columns. settings: of the training."""
    if not log:
        return None
    steps = [record["step"] for record in log]
    spans = stages_of(log, settings.get("curriculum", "easy_to_hard"))
    panels = []
    for title, columns, zero, limits in _CHARTS:
        own = {column for column, _, _ in columns} & _OF_IMAGES
        if own and not any(own & record.keys() for record in log):
            continue
        curves = [
            Curve(name, kind, [record.get(column, math.nan) for record in log])
            for column, name, kind in columns
            if any(column in record for record in log)
        ]
        if curves:
            key = legend([(curve.kind, curve.name) for curve in reversed(curves)])
            chart = line_chart(f"{title} over training", steps, curves, zero=zero, limits=limits, spans=spans)
            panels.append(Panel(title, key, chart))
    return Training(panels, _findings(log, settings.get("anchor_weight")), len(log), max(1, len(spans)))


def stages_of(log: list[Record], curriculum: str) -> list[Span]:
    """The steps of every curriculum stage, in the order of training, by their difficulty; [] with a single one."""
    found = [
        [record["step"] for record in records]
        for _, records in groupby(log, key=lambda record: record.get("curriculum_stage", 1.0))
    ]
    if len(found) < 2:
        return []
    names = difficulties(len(found))
    if curriculum == "hard_to_easy":
        names.reverse()
    return [Span(name, steps[0], steps[-1]) for name, steps in zip(names, found, strict=True)]


def final_mean(log: list[Record], column: str) -> float | None:
    """Mean over the last tenth of the steps (at least one): what the manifest of the adapter reports too."""
    values = [record[column] for record in log[-max(1, len(log) // 10) :] if column in record]
    return sum(values) / len(values) if values else None


def _findings(log: list[Record], anchor_weight: float | None) -> list[str]:
    found = []
    chosen, rejected = final_mean(log, "reward_chosen"), final_mean(log, "reward_rejected")
    if chosen is not None and rejected is not None:
        found.append(
            f"At the end the chosen answers have a reward of {decimal(chosen, sign=True)} and the rejected ones "
            f"{decimal(rejected, sign=True)}. A reward is beta times how much more (+) or less (−) likely the answer "
            "has become than under the base model, in nats."
        )
        found.append(_chosen_sentence(chosen, anchor_weight))
    found += _image_sentence(log)
    accuracy, divergence = final_mean(log, "accuracy"), final_mean(log, "kl")
    if accuracy is not None:
        moved = "" if divergence is None else f"; the model moved {decimal(divergence, 3)} nats a token from the base"
        found.append(f"In {percent(accuracy, 0)} of the last pairs the chosen answer has the higher reward{moved}.")
    rates = [record["tokens_per_second"] for record in log if "tokens_per_second" in record]
    if rates:
        found.append(f"Training ran at {count(sorted(rates)[len(rates) // 2])} tokens a second (median of the steps).")
    return found


def _chosen_sentence(chosen: float, anchor_weight: float | None) -> str:
    """The question that users of DPO ask most: the chosen reward is below zero, is that a bug?"""
    if chosen >= 0:
        return (
            "The chosen reward is not below zero: the model learned to say the chosen answers, "
            "not only to avoid the rejected ones."
        )
    advice = (
        "The anchor term, which guards against it, was off (anchor_weight 0): switch it on, or raise beta."
        if anchor_weight == 0
        else "Raise anchor_weight or beta, or lower the learning rate, if the answers below got worse."
    )
    return (
        "The chosen reward is below zero. That is no bug: DPO only asks that chosen beats rejected, and both can "
        "become less likely together (likelihood displacement). The lost probability goes to answers that nobody "
        f"rated, so read the benchmarks before trusting the margin. {advice}"
    )


def _image_sentence(log: list[Record]) -> list[str]:
    gap, corrupted = final_mean(log, "reward_image_gap"), final_mean(log, "reward_corrupted")
    if gap is None or corrupted is None:
        return []
    reward = f"the same answers have a reward of {decimal(corrupted, sign=True)} under the corrupted pictures"
    if gap <= 0:
        return [f"At the end {reward}: not less than under the true ones, so the image term taught nothing."]
    return [
        f"At the end {reward}, {decimal(gap)} less than under the true ones: they depend more on what was "
        "destroyed than under the base model."
    ]
