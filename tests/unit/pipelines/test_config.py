"""A run's configuration: presets, files and overrides in their order, and errors that name file and setting."""

import pytest
import yaml

from groundtune.errors import SettingError
from groundtune.settings.sections import check_settings
from pipelines import config
from pipelines.config_files import preset_names

GIVEN = {"prompts": "p.jsonl", "model": "m", "benchmarks_root": "b", "scorers": {"contrastive": "c"}}


def written(tmp_path, **changes):
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**GIVEN, **changes}))
    return str(file)


@pytest.mark.parametrize("preset", preset_names("align"))
def test_every_preset_holds_valid_settings(preset, tmp_path):
    loaded = config.load(config.AlignConfig, written(tmp_path), preset)
    assert check_settings(loaded.sections).keys() >= {"sampling", "training"}


def test_a_file_overrides_its_preset_and_the_command_line_overrides_both(tmp_path):
    file = written(tmp_path, training={"beta": 0.3, "epochs": 7})
    overrides = ("training.epochs=2", "alignment.scorer_weights={contrastive: 1}", "title=x")
    loaded = config.load(config.AlignConfig, file, "m3po", overrides)
    training = loaded.arguments()["training"]
    assert (training["beta"], training["epochs"], training["lora_rank"]) == (0.3, 2, 64)
    assert loaded.arguments()["alignment"]["scorer_weights"] == {"contrastive": 1.0}
    assert loaded.title == "x"


def test_paths_are_absolute_and_images_lie_beside_the_prompts_unless_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = config.load(config.AlignConfig, written(tmp_path, prompts="data/p.jsonl", model="s3://bucket/llava"))
    assert loaded.prompts == str(tmp_path / "data" / "p.jsonl")
    assert loaded.arguments()["images_root"] == str(tmp_path / "data") and loaded.model == "s3://bucket/llava"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"promts": "x"}, "'promts' in .*run.yaml"),
        ({"prompts": 3}, "'prompts' in .*a path or s3"),
        ({"register": "yes"}, "'register' in .*true or false"),
        ({"scorers": ["clip"]}, "'scorers' in .*a mapping"),
    ],
)
def test_a_wrong_entry_is_named_with_its_file(tmp_path, changes, message):
    with pytest.raises(SettingError, match=message):
        config.load(config.AlignConfig, written(tmp_path, **changes))


def test_nothing_an_unreadable_file_and_an_unknown_preset_are_errors(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [1")
    for given, message in ((("",), "--config FILE"), ((str(tmp_path / "bad.yaml"),), "valid YAML"),
                           ((str(tmp_path / "no.yaml"),), "readable YAML"),
                           (("", "mpo"), "demo, demo-mfpo, m3po, m3po.mfpo, mfpo")):  # fmt: skip
        with pytest.raises(SettingError, match=message):
            config.load(config.AlignConfig, *given)
    with pytest.raises(SettingError, match="section.name=value"):
        config.load(config.AlignConfig, written(tmp_path), "", ("training.beta",))


def test_a_file_may_build_on_a_preset_that_builds_on_another(tmp_path):
    (tmp_path / "mine.yaml").write_text("based_on: demo-mfpo\ntraining: {epochs: 5}\n")
    loaded = config.load(config.AlignConfig, str(tmp_path / "mine.yaml"))
    assert loaded.image_preferences and loaded.sections["training"]["epochs"] == 5
    assert loaded.sections["training"]["beta"] == 0.5, "from demo, which demo-mfpo is based on"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scorers.contrastive=null", "setting 'scorers.contrastive'"),
        ("region_models.sam3=5", "setting 'region_models.sam3'"),
        ("images_root=5", "setting 'images_root'"),
        ("sampling=5", "setting 'sampling'.*a mapping"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(tmp_path, override, message):
    with pytest.raises(SettingError, match=message):
        config.load(config.AlignConfig, written(tmp_path), "", (override,))


@pytest.mark.parametrize("value", ["[", "2026-13-45", "[" * 5_000])
def test_an_override_that_is_no_yaml_is_named(tmp_path, value):
    with pytest.raises(SettingError, match=r"setting '--set' is 'evaluation\.limit=.*: expected section\.name=value"):
        config.load(config.AlignConfig, written(tmp_path), "", (f"evaluation.limit={value}",))


def test_a_file_that_is_no_utf8_text_is_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("title: Größe\n".encode("latin-1"))
    with pytest.raises(SettingError, match=r"'--config' is .*latin\.yaml'.*UTF-8"):
        config.load(config.AlignConfig, str(tmp_path / "latin.yaml"))
