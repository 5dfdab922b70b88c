"""The settings of a comparison's verdict."""

from dataclasses import dataclass

from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class VerdictSettings(Settings):
    """report_comparison: how it is decided whether the champion of a comparison is at least as good as its rivals."""

    metrics: tuple[str, ...] = setting(
        ("pope/f1", "chair/chairs", "chair/chairi"),
        "What the claim is about, as benchmark/metric; a benchmark of several splits by the mean over them.",
    )
    margin: float = setting(
        0.01,
        "Non-inferiority: at least as good is what is, with its whole interval, at most this much worse.",
        unit="the metric's own, 0.01 of a share is a point",
        low=0.0,
        high=0.5,
    )
    budget_tolerance: float = setting(
        0.05,
        "Methods whose pairs or answer tokens differ by more than this share do not compare.",
        low=0.0,
        high=1.0,
    )
    efficiency_curve: str = setting(
        "share of the pairs", "The curve on which the champion is asked how few pairs reach a baseline's result."
    )
    efficiency_target: str = setting("vanilla_dpo", "The baseline whose full result is to be reached.")
    efficiency_share: float = setting(
        0.5, "The claim: it is reached with at most this share of the pairs.", low=0.0, high=1.0
    )
    resamples: int = setting(2000, "Resamples of an interval, and permutations of a p-value.", low=10)
    interval: float = setting(0.95, "Coverage of an interval; its rest is the level of the tests.", low=0.5, high=0.999)
    seed: int = setting(0, "Seed of the resampling.", low=0)
