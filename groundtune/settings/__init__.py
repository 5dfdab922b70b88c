"""Settings: frozen dataclasses that feed the command line, the component parameters, MLflow and the docs."""

from groundtune.settings.baselines import RewardSettings, RlhfSettings
from groundtune.settings.evaluation import EvaluationSettings
from groundtune.settings.fields import Settings, setting
from groundtune.settings.gate import GateSettings
from groundtune.settings.image_preference import ImagePreferenceSettings, ProbeSettings
from groundtune.settings.judge import JudgeSettings
from groundtune.settings.rounds import RoundsSettings
from groundtune.settings.stages import (
    AlignmentScoreSettings,
    ConfidenceSettings,
    PrepareSettings,
    RegistrySettings,
    SamplingSettings,
    SelectionSettings,
)
from groundtune.settings.training import TrainingSettings
from groundtune.settings.verdict import VerdictSettings

__all__ = [
    "AlignmentScoreSettings",
    "ConfidenceSettings",
    "EvaluationSettings",
    "GateSettings",
    "ImagePreferenceSettings",
    "JudgeSettings",
    "PrepareSettings",
    "ProbeSettings",
    "RegistrySettings",
    "RewardSettings",
    "RlhfSettings",
    "RoundsSettings",
    "SamplingSettings",
    "SelectionSettings",
    "Settings",
    "TrainingSettings",
    "VerdictSettings",
    "setting",
]
