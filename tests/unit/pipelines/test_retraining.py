"""What a retraining is started with: its configuration, the demo's weeks, and one run in a work folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundtune.errors import SettingError
from groundtune.rounds.intake import DONE, Rounds
from pipelines import config, demo_data, local
from pipelines.config_files import preset_names

GIVEN: dict[str, Any] = {
    "inbox": "in", "rounds_root": "r", "model": "m", "benchmarks_root": "b", "scorers": {"contrastive": "c"},
    "evaluation": {"benchmarks": {"pope_random": "p", "chair": "c"}},
}  # fmt: skip


def loaded(tmp_path: Path, preset: str = "", **changes: Any) -> dict[str, Any]:
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**GIVEN, **changes}))
    return config.load(config.RetrainConfig, str(file), preset).arguments()


@pytest.mark.parametrize("preset", preset_names("retrain"))
def test_every_preset_holds_valid_settings(preset: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, preset)["training"]["lora_rank"] in (16, 64)


def test_images_lie_below_the_inbox_unless_said(tmp_path: Path) -> None:
    assert loaded(tmp_path)["images_root"] == str(Path("in").absolute())
    assert loaded(tmp_path, images_root="s3://b/images")["images_root"] == "s3://b/images"


def test_rejected_rows_are_the_gates_unless_said(tmp_path: Path) -> None:
    assert loaded(tmp_path)["prepare"]["max_rejected_share"] == 1.0
    own = {"allow_http_images": True}
    assert loaded(tmp_path, prepare=own)["prepare"] == loaded(tmp_path)["prepare"] | own
    assert loaded(tmp_path, prepare={"max_rejected_share": 0.2})["prepare"]["max_rejected_share"] == 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inbox": ""}, "'inbox' in .*a path or s3"),
        ({"prompts": "p.jsonl"}, "'prompts' in .*expected one of inbox, rounds_root"),
        ({"rounds": {"lease_hours": 0}}, "'lease_hours'"),
        ({"gate": {"max_yes_shift": 2}}, "'max_yes_shift'"),
        ({"gate": {"must_improve": ["chair/chairz"]}}, "'must_improve' in gate is 'chair/chairz': .*, chair/chairs, "),
        ({"gate": {"may_fall": {"mme/perception": 1}}}, "'may_fall' in gate is 'mme/perception'"),
        ({"prepare": {"limit": 3}}, "'limit' in prepare is 3: expected 0"),
        ({"registry": {"alias": "champion"}}, "'alias' in registry is 'champion'"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        loaded(tmp_path, **changes)


def test_an_alignment_takes_no_settings_of_a_retraining(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({"prompts": "p", "model": "m", "benchmarks_root": "b", "gate": {}}))
    with pytest.raises(SettingError, match="'gate' in"):
        config.load(config.AlignConfig, str(file))


def test_the_demos_weeks_arrive_one_by_one_and_those_that_are_done_do_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.dumps({"id": str(i), "image": "x.png", "instruction": "Say."}) + "\n" for i in range(6)]
    monkeypatch.setattr(demo_data, "PROMPTS_A_WEEK", 2)
    monkeypatch.setattr(demo_data, "ensure_demo_data", lambda data, prompts: None)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prompts.jsonl").write_text("".join(rows))
    places = {name: str(tmp_path / name) for name in ("inbox", "rounds_root")}
    given = {**places, "images_root": str(tmp_path / "data")}
    rounds = Rounds(places["rounds_root"])

    def week() -> int:
        opened = rounds.open(places["inbox"])
        assert opened is not None
        rounds.end(opened, DONE)
        return opened.new

    seen = []
    for number in demo_data.arriving(given):
        if number == 1:
            break  # killed in the second week
        seen.append((number, week()))
    assert seen == [(0, 2)]
    assert [(number, week()) for number in demo_data.arriving(given)] == [(1, 2), (2, 2)]
    assert list(demo_data.arriving(given)) == [3], "whatever else arrived"
    assert rounds.open(places["inbox"]) is None


def test_nobodys_own_inbox_gets_the_demos_weeks() -> None:
    demo = config.load(config.RetrainConfig, preset="demo").arguments()
    assert demo_data.is_the_demos(demo)
    for own in ({"inbox": "/data/inbox"}, {name: f"s3://b/{name}" for name in ("inbox", "rounds_root", "images_root")}):
        assert not demo_data.is_the_demos({**demo, **own})


def test_two_runs_in_one_work_folder_are_refused(tmp_path: Path) -> None:
    with local._alone(tmp_path), pytest.raises(SettingError, match="'--work' is .*no other run is at work"):
        local.run(lambda: None, {}, tmp_path)
