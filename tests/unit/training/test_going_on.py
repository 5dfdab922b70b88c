"""Iterated training: the champion's adapter wrote the answers, is their reference, and is what is trained on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from groundtune.errors import ArtifactError, SettingError
from groundtune.folder_artifacts import FolderArtifact
from groundtune.training import stage
from groundtune.vlm.checkpoints import checkpoint_digest
from groundtune.vlm.loader import load_vlm
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import SmallRun, up_to_pairs

SETTINGS = {
    "pairs_per_step": 2, "pairs_per_microbatch": 2, "lora_rank": 4, "lora_alpha": 8, "learning_rate": 2e-2,
}  # fmt: skip


def train(run: SmallRun, out: Path, adapter: str = "", **changes: Any) -> FolderArtifact:
    made = stage.run(
        run.prompts, run.shards("confidence"), run.pairs, str(run.root), str(run.model), out, {**SETTINGS, **changes},
        adapter=adapter,
    )  # fmt: skip
    assert made is not None
    return made


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallRun, FolderArtifact]:
    root = tmp_path_factory.mktemp("first")
    run = up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))
    return run, train(run, root / "adapter")


@pytest.fixture(scope="module")
def second(first: Any, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """The next round's pairs, of answers that the first round's adapter wrote."""
    run, adapter = first
    return up_to_pairs(tmp_path_factory.mktemp("second"), run.model, run.clip, adapter=str(adapter.path))


def log_of(made: FolderArtifact) -> list[dict[str, float]]:
    return [json.loads(line) for line in (made.path / "training_log.jsonl").read_text().splitlines()]


def test_training_goes_on_where_the_policy_stands(first: Any, second: SmallRun, tmp_path: Path) -> None:
    _, before = first
    made = train(second, tmp_path / "adapter", adapter=str(before.path))
    log = log_of(made)
    assert log[0]["reward_chosen"] == pytest.approx(0, abs=1e-5), "the policy starts as the reference"
    assert log[-1]["reward_margin"] > 0
    assert made.manifest["parents"]["adapter"] == checkpoint_digest(before.path)
    old, new = (load_file(one.path / "adapter_model.safetensors") for one in (before, made))
    assert {name: value.shape for name, value in old.items()} == {name: value.shape for name, value in new.items()}
    assert any(not torch.equal(old[name], new[name]) for name in old), "and it learns"
    still = train(second, tmp_path / "still", adapter=str(before.path), learning_rate=0.0)
    unmoved = load_file(still.path / "adapter_model.safetensors")
    assert all(torch.equal(old[name], unmoved[name]) for name in old), "and it starts from all of the old one"
    assert load_vlm(second.model, adapter=made.path).adapter_digest == checkpoint_digest(made.path)


def test_answers_of_another_policy_are_no_reference(first: Any, second: SmallRun, tmp_path: Path) -> None:
    run, before = first
    with pytest.raises(ArtifactError, match="of another adapter than training starts from"):
        train(run, tmp_path / "a", adapter=str(before.path))
    with pytest.raises(ArtifactError, match="of another adapter than training starts from"):
        train(second, tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "value"), [("lora_rank", 8), ("lora_alpha", 16), ("lora_dropout", 0.1), ("lora_targets", ["q_proj"])]
)
def test_an_adapter_of_another_form_is_refused_by_the_setting(
    first: Any, second: SmallRun, tmp_path: Path, name: str, value: Any
) -> None:
    _, before = first
    with pytest.raises(SettingError, match=rf"setting '{name}' in training is .* goes on with; or rounds.policy base"):
        train(second, tmp_path / "a", adapter=str(before.path), **{name: value})
