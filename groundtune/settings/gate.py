"""The settings of promotion."""

from dataclasses import dataclass

from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class GateSettings(Settings):
    """decide_promotion: what a challenger must show, held against the champion on the same questions."""

    must_improve: tuple[str, ...] = setting(
        ("chair/chairs",),
        "Metrics, as benchmark/metric, that must be better with the whole interval of the paired difference.",
    )
    minimum_effect: float = setting(
        0.0, "By how much at least.", unit="the metric's own, 0.01 of a share is a point", low=0.0
    )
    may_fall: dict[str, float] = setting(
        {"pope/f1": 0.01, "chair/recall": 0.02},
        "Metric -> by how much it may be worse than the champion's, with the whole interval of the difference.",
        unit="the metric's own",
    )
    may_fall_from_base: dict[str, float] = setting(
        {"pope/f1": 0.03, "chair/recall": 0.05},
        "Metric -> by how much it may be worse than the base model's: small steps down add up over rounds.",
        unit="the metric's own",
    )
    max_yes_shift: float = setting(
        0.1,
        "By how much the share of yes in yes/no answers may move from the champion's and the base model's, either way.",
        low=0.0,
        high=1.0,
    )
    min_words_share: float = setting(
        0.6, "Words of a caption, as a share of the champion's and the base model's, on the mean.", low=0.0
    )
    max_rejected_share: float = setting(
        0.05, "Share of the round's rows, and of the questions, that were rejected.", low=0.0, high=1.0
    )
