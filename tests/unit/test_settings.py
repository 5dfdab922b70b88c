"""A wrong setting is an error that names it; a right one survives YAML, JSON and KFP."""

import dataclasses
import json

import pytest

from groundtune.errors import SettingError
from groundtune.settings import AlignmentScoreSettings, EvaluationSettings, SamplingSettings, TrainingSettings
from groundtune.settings.sections import SECTIONS


@pytest.mark.parametrize("cls", SECTIONS.values())
def test_every_setting_survives_json_and_has_help_and_source(cls):
    default = cls()
    assert cls.from_mapping(json.loads(json.dumps(default.to_mapping()))) == default
    for field in dataclasses.fields(cls):
        assert len(field.metadata["help"]) > 10, field.name
        assert field.metadata["source"].startswith(("ours", "M3PO", "MFPO")), field.name


def test_a_mapping_has_one_order_however_it_was_given():
    given = {"pope": "p.jsonl", "chair": "c.jsonl"}
    both = [EvaluationSettings(benchmarks=dict(items)) for items in (given.items(), reversed(given.items()))]
    assert [list(settings.benchmarks) for settings in both] == [["chair", "pope"]] * 2


@pytest.mark.parametrize(
    ("cls", "given", "message"),
    [
        (SamplingSettings, {"temprature": 1}, "'temprature'.*expected one of"),
        (SamplingSettings, {"num_candidates": -1}, "at least 0"),
        (SamplingSettings, {"num_candidates": 2.5}, "a whole number"),
        (SamplingSettings, {"num_candidates": True}, "a whole number"),
        (SamplingSettings, {"top_p": 1.5}, "at most 1"),
        (TrainingSettings, {"beta": "much"}, "a finite number"),
        (TrainingSettings, {"beta": float("nan")}, "a finite number"),
        (TrainingSettings, {"schedule": "wave"}, "cosine, linear, constant"),
        (TrainingSettings, {"pairs_per_step": 10, "pairs_per_microbatch": 4}, "a divisor of"),
        (TrainingSettings, {"lora_targets": "q_proj"}, "a list"),
        (AlignmentScoreSettings, {"scorer_weights": {"clip": 1}}, "contrastive, claims"),
        (AlignmentScoreSettings, {"scorer_weights": {"claims": 0}}, "above 0"),
        (AlignmentScoreSettings, {"claim_template": "Is it true?"}, "{sentence}"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_expected(cls, given, message):
    with pytest.raises(SettingError, match=message):
        cls.from_mapping(given)


def test_numbers_that_yaml_and_kfp_change_in_passing_are_understood():
    assert TrainingSettings.from_mapping({"learning_rate": "1e-5", "epochs": 2.0}).epochs == 2
    assert TrainingSettings.from_mapping({"learning_rate": "1e-5"}).learning_rate == 1e-5


def test_the_settings_reference_is_what_the_code_says():
    from pathlib import Path

    from groundtune.settings.reference import markdown

    page = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
    command = "python -m groundtune.settings.reference > docs/reference/settings.md"
    assert page.read_text() == markdown(), f"run: {command}"
