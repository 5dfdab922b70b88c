"""What an evaluation checks before it spends anything, and how it is cut."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.benchmarks import planning
from groundtune.benchmarks.slices import contestant_and_slice
from groundtune.errors import CheckpointError, GroundtuneError, SettingError, TooManyRejected
from tests.tiny_checkpoints import tiny_adapter, tiny_llava
from tests.unit.benchmarks.worlds import SETTINGS, write_world


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_llava(tmp_path_factory.mktemp("model") / "llava"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_world(tmp_path / "world")


def plan(root: Path, judge: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **models: str):
    return planning.run(str(root), {**SETTINGS, **(settings or {})}, judge, **models)


def test_every_slice_of_every_contestant_is_an_item_that_follows_what_it_reads(
    root: Path, model: str, tmp_path: Path
) -> None:
    cut = {"questions_per_slice": 6}
    alone = plan(root, settings=cut, model=model)
    assert [contestant_and_slice(item) for item in alone] == [
        ("model", name)
        for name in ("chair 0/1", "pope_popular 0/2", "pope_popular 1/2", "pope_random 0/2", "pope_random 1/2")
    ]
    adapter = str(tiny_adapter(tmp_path / "lora", model))
    both = plan(root, settings=cut, model=model, adapter=adapter, baseline=model)
    assert [contestant_and_slice(item)[0] for item in both] == ["model"] * 5 + ["baseline"] * 5
    assert both[5:] == [item.replace("model", "baseline") for item in alone], "the same bytes, the same item"
    assert not set(both[:5]) & set(alone), "another adapter, another item"
    chair = (root / "chair.jsonl").read_text()
    (root / "chair.jsonl").write_text(chair.replace("Describe this image.", "Describe this picture."))
    other = plan(root, settings=cut, model=model)
    assert (other[0] != alone[0], other[1:]) == (True, alone[1:]), "another benchmark's file changes no item"
    (root / "vocabulary.json").write_text(json.dumps({"dog": ["hound"], "cat": [], "cup": []}))
    assert not set(plan(root, settings=cut, model=model)) & set(alone), "other bytes, other items"


def test_what_is_wrong_is_named_before_anything_is_answered(root: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cases: list[tuple[dict[str, Any], type[GroundtuneError], str]] = [
        ({"model": str(tmp_path / "empty")}, CheckpointError, "config.json"),
        ({"model": model, "adapter": str(tmp_path / "empty")}, CheckpointError, "adapter_config.json"),
        ({"model": model, "baseline_adapter": "x"}, SettingError, "baseline"),
        ({"model": model, "settings": {"benchmarks": {}}}, SettingError, "benchmarks"),
        ({"model": model, "settings": {"benchmarks": {"pope": "none.json"}}}, SettingError, "none.json"),
        ({"model": model, "judge": {"base_url": "ftp://x", "model": "m"}}, SettingError, "base_url"),
    ]
    for given, error, message in cases:
        with pytest.raises(error, match=message):
            plan(root, **given)


def test_a_missing_image_stops_or_is_counted(root: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "images" / "1.png").unlink()
    with pytest.raises(TooManyRejected, match=r"allow_missing(.|\n)*images/1.png|1.png"):
        plan(root, model=model)
    assert plan(root, model=model, settings={"allow_missing": True, "max_rejected_share": 0.5})
