"""Promises of the view of a checkpoint that vLLM reads, and of what is refused of an adapter."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundtune import storage
from groundtune.candidates.engines import vllm_checkpoint as view
from groundtune.candidates.engines.vllm_adapter import reserved_rank
from groundtune.errors import CheckpointError, StorageError
from groundtune.vlm.checkpoints import checkpoint_digest
from tests.tiny_checkpoints import tiny_adapter, tiny_llava


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llava(tmp_path_factory.mktemp("vllm") / "llava")


def seen(folder: Path) -> Path:
    return view.vllm_checkpoint(folder, checkpoint_digest(folder))


def test_only_the_names_of_the_tower_change_and_no_number_does(llava: Path) -> None:
    made = seen(llava)
    before, after = load_file(llava / "model.safetensors"), load_file(made / "model.safetensors")
    tower = {name for name in before if "vision_tower" in name}
    assert tower and {name for name in after if "vision_tower.vision_model." in name} == {
        name.replace("vision_tower.", "vision_tower.vision_model.") for name in tower
    }
    assert before.keys() - tower <= after.keys() and len(after) == len(before)
    for name, value in before.items():
        assert torch.equal(after[view.vllm_name(name)], value)
    assert {file.name for file in made.iterdir()} == {file.name for file in llava.iterdir()}


def test_the_view_is_made_once_and_again_when_the_checkpoint_changes(llava: Path, tmp_path: Path) -> None:
    first = seen(llava)
    assert seen(llava) == first
    other = tiny_llava(tmp_path / "other", seed=1)
    assert seen(other) != first
    assert not list(storage.cache_root().glob(".vllm-*")), "nothing half made stays behind"


def test_a_checkpoint_that_vllm_reads_already_is_taken_as_it_is(llava: Path, tmp_path: Path) -> None:
    made = seen(llava)
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in made.iterdir():
        (plain / file.name).write_bytes(file.read_bytes())
    assert seen(plain) == plain.resolve()


def test_of_a_sharded_checkpoint_only_the_shard_with_the_tower_is_copied(llava: Path, tmp_path: Path) -> None:
    weights = load_file(llava / "model.safetensors")
    parts = {"model-1.safetensors": {}, "model-2.safetensors": {}}
    for name, value in weights.items():
        parts["model-1.safetensors" if "vision_tower" in name else "model-2.safetensors"][name] = value
    for file, own in parts.items():
        save_file(own, tmp_path / file)
    index = {"metadata": {}, "weight_map": {name: file for file, own in parts.items() for name in own}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_bytes((llava / "config.json").read_bytes())
    made = seen(tmp_path)
    assert (made / "model-2.safetensors").is_symlink() and not (made / "model-1.safetensors").is_symlink()
    listed = json.loads((made / "model.safetensors.index.json").read_text())["weight_map"]
    for file in parts:
        assert set(load_file(made / file)) == {name for name, place in listed.items() if place == file}


def test_a_damaged_weight_file_is_named(llava: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((llava / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\xff\x00\x00")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a safetensors file"):
        view.vllm_checkpoint(tmp_path, "x")


def test_a_cache_that_cannot_be_written_names_its_setting(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set GROUNDTUNE_CACHE to a larger folder"):
        seen(llava)


def test_a_lora_of_the_language_model_gets_the_next_size_that_vllm_has(llava: Path, tmp_path: Path) -> None:
    assert reserved_rank(tiny_adapter(tmp_path / "adapter", llava)) == 8  # of rank 4


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.multi_modal_projector.linear_1.lora_A.weight",
        "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_magnitude_vector",
    ],
)
def test_what_vllm_would_leave_out_of_an_adapter_is_refused_by_name(llava: Path, tmp_path: Path, name: str) -> None:
    adapter = tiny_adapter(tmp_path / "adapter", llava)
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({**weights, name: torch.zeros(4, 4)}, adapter / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.") + ".*set sampling.engine to transformers"):
        reserved_rank(adapter)


def test_an_adapter_larger_than_vllm_takes_is_refused(llava: Path, tmp_path: Path) -> None:
    adapter = tiny_adapter(tmp_path / "adapter", llava)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "r": 1024}))
    with pytest.raises(CheckpointError, match="rank 1024, but vLLM takes 512 at most"):
        reserved_rank(adapter)
