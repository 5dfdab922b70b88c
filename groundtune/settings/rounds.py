"""The settings of a round of retraining."""

from dataclasses import dataclass

from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class RoundsSettings(Settings):
    """open_round, measure_drift and close_round: what a round begins with, and how it ends."""

    policy: str = setting(
        "champion",
        "Whose answers a round learns from: the champion's, whose adapter is its reference and is trained on, or the "
        "base model's, with a new adapter every time.",
        choices=("champion", "base"),
    )
    minimum_rows: int = setting(
        100, "New rows below which there is nothing to do; they wait for the next round.", unit="rows", low=1
    )
    refused_rows_again: bool = setting(
        False, "Whether the rows of a round that the gate refused are the next round's as well."
    )
    lease_hours: float = setting(
        24.0,
        "A retraining that died holds up the next ones for so long at most; longer than a round takes.",
        unit="hours",
        low=0.01,
    )
    drift_psi: float = setting(
        0.25,
        "Population stability index of MAS or confidence against the first round from which a round is warned about.",
        low=0.0,
    )
    drift_ks: float = setting(
        0.2, "Kolmogorov-Smirnov distance from which a round is warned about.", low=0.0, high=1.0
    )
