"""preflight: what a run reads is looked at before anything expensive, and what is wrong is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from groundtune import preflight
from groundtune.errors import GroundtuneError, SettingError
from groundtune.vlm.checkpoints import checkpoint_digest
from pipelines import config
from tests.pipeline.world import write_world
from tests.tiny_checkpoints import tiny_adapter


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = write_world(tmp_path_factory.mktemp("world"))
    given: dict[str, Any] = yaml.safe_load((root / "config.yaml").read_text())
    return given


def checked(
    world: dict[str, Any], model: str = "", champion_base: str = "", policy_adapter: str = "", **changes: Any
) -> preflight.Inputs:
    """changes: of the sections."""
    sections = {name: {**world.get(name, {}), **changes.get(name, {})} for name in config.AlignConfig.SECTIONS}
    places = [world["prompts"], model or world["model"], world["scorers"], {}, world["benchmarks_root"]]
    return preflight.run(*places, sections, champion_base=champion_base, policy_adapter=policy_adapter)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "/nowhere"}, "/nowhere: no such folder"),
        ({"alignment": {"scorer_weights": {"claims": 1}}}, "scorers.claims"),
        ({"image_preference": {"finder": "sam3"}}, "region_models.sam3"),
        ({"sampling": {"num_candidates": 1}}, "setting 'num_candidates' in sampling is 1: expected at least 2"),
    ],
)
def test_what_is_wrong_is_named(world: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GroundtuneError, match=message):
        checked(world, **changes)


def test_a_champion_of_another_base_is_refused_by_name(world: dict[str, Any]) -> None:
    right = checkpoint_digest(Path(world["model"]))
    assert checked(world, champion_base=right).model_digest.startswith(right)
    with pytest.raises(SettingError, match=r"'model' is .*the champion belongs to \(000000000000\); or another"):
        checked(world, champion_base="0" * 64)


def test_an_adapter_of_another_form_is_refused_by_the_setting(world: dict[str, Any], tmp_path: Path) -> None:
    adapter = tiny_adapter(tmp_path / "adapter", Path(world["model"]))
    with pytest.raises(SettingError, match=r"setting 'lora_\w+' in training is .*as in the adapter that training"):
        checked(world, policy_adapter=str(adapter))
