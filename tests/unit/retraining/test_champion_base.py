"""preflight of a retraining: the champion's adapter belongs to the checkpoint that the run names."""

from pathlib import Path

import pytest
import yaml

from groundtune import preflight
from groundtune.errors import SettingError
from groundtune.vlm.checkpoints import checkpoint_digest
from pipelines import config
from tests.pipeline.world import write_world


def test_a_champion_of_another_base_is_refused_by_name(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world")
    given = yaml.safe_load((world / "config.yaml").read_text())
    places = [given["prompts"], given["model"], given["scorers"], {}, given["benchmarks_root"]]
    sections = {name: given[name] for name in config.AlignConfig.SECTIONS if name in given}
    sections["probe"] = {"questions": 0, "captions": 0, "pairs": 0}
    right = checkpoint_digest(given["model"])
    assert preflight.run(*places, sections, champion_base=right).model_digest.startswith(right)
    with pytest.raises(SettingError, match=r"'model' is .*the champion belongs to \(000000000000\); or another"):
        preflight.run(*places, sections, champion_base="0" * 64)
