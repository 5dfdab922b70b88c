"""The sections of a run's configuration: a name for every stage's settings."""

from collections.abc import Mapping
from typing import Any

from groundtune.errors import SettingError
from groundtune.settings import stages
from groundtune.settings.baselines import RewardSettings, RlhfSettings
from groundtune.settings.evaluation import EvaluationSettings
from groundtune.settings.fields import Settings
from groundtune.settings.gate import GateSettings
from groundtune.settings.image_preference import ImagePreferenceSettings, ProbeSettings
from groundtune.settings.judge import JudgeSettings
from groundtune.settings.parallel import ParallelSettings
from groundtune.settings.rounds import RoundsSettings
from groundtune.settings.training import TrainingSettings
from groundtune.settings.verdict import VerdictSettings

SECTIONS: dict[str, type[Settings]] = {
    "prepare": stages.PrepareSettings,
    "sampling": stages.SamplingSettings,
    "alignment": stages.AlignmentScoreSettings,
    "confidence": stages.ConfidenceSettings,
    "selection": stages.SelectionSettings,
    "image_preference": ImagePreferenceSettings,
    "training": TrainingSettings,
    "parallel": ParallelSettings,
    "probe": ProbeSettings,
    "evaluation": EvaluationSettings,
    "judge": JudgeSettings,
    "registry": stages.RegistrySettings,
    "reward": RewardSettings,
    "rlhf": RlhfSettings,
    "verdict": VerdictSettings,
    "rounds": RoundsSettings,
    "gate": GateSettings,
}
OF_COMPARISON = ("reward", "rlhf", "verdict")  # no stage of a single run has these
OF_RETRAINING = ("rounds", "gate")


def check_settings(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Settings]:
    """Every section as its dataclass. Raises SettingError for an unknown section, name or value."""
    for name in settings:
        if name not in SECTIONS:
            raise SettingError(name, "a section", f"one of {', '.join(SECTIONS)}", "the configuration")
    return {name: cls.of(settings.get(name), name) for name, cls in SECTIONS.items()}
