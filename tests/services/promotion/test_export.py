"""A registered version as files: plain libraries read them, and the answers stay the same."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoProcessor, LlavaForConditionalGeneration

from groundtune.candidates.engines.vllm_checkpoint import OLD_NAME
from groundtune.errors import CheckpointError, SettingError, TrackingError
from groundtune.promotion.champions import Champions
from groundtune.promotion.export import export
from groundtune.promotion.registry import register
from groundtune.settings import RegistrySettings
from groundtune.vlm.loader import load_vlm
from pipelines.__main__ import main
from tests.tiny_checkpoints import tiny_adapter, tiny_llava


@pytest.fixture
def version(models: tuple[Path, Path], name: str) -> str:
    made = register(models[1], str(models[0]), None, RegistrySettings(name))
    Champions(name).promote(made.version, None, "the only one")
    return made.uri


def logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=ids).logits
    return found


@pytest.fixture
def expected(models: tuple[Path, Path]) -> tuple[torch.Tensor, torch.Tensor]:
    """(token ids, logits of base and adapter)."""
    vlm = load_vlm(models[0], adapter=models[1], device="cpu", dtype="float32")
    ids = torch.arange(4, 16)[None] % vlm.config.get_text_config().vocab_size
    plain = logits(load_vlm(models[0], device="cpu", dtype="float32").model, ids)
    found = logits(vlm.model, ids)
    assert not torch.allclose(plain, found, atol=1e-4), "the adapter changes something"
    return ids, found


def test_a_plain_adapter_is_read_by_peft_alone(
    models: tuple[Path, Path],
    version: str,
    expected: tuple[torch.Tensor, torch.Tensor],
    tmp_path: Path,
) -> None:
    out = export(version, tmp_path / "adapter")
    assert sorted(file.name for file in out.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    base = LlavaForConditionalGeneration.from_pretrained(models[0], dtype=torch.float32).eval()
    adapted = PeftModel.from_pretrained(base, out)
    assert torch.allclose(logits(adapted, expected[0]), expected[1], atol=1e-5)


def test_a_merged_checkpoint_is_read_by_transformers_alone_under_names_that_vllm_reads(
    version: str, expected: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    out = export(version, tmp_path / "merged", merged=True)
    model = LlavaForConditionalGeneration.from_pretrained(out, dtype=torch.float32).eval()
    assert torch.allclose(logits(model, expected[0]), expected[1], atol=1e-5)
    assert AutoProcessor.from_pretrained(out).image_token
    names = []
    for file in out.glob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            names += list(weights.keys())
    assert any("vision_tower.vision_model." in one for one in names)
    assert not [one for one in names if OLD_NAME.match(one) or "lora" in one]


def test_a_merged_checkpoint_keeps_the_precision_of_its_base(name: str, tmp_path: Path) -> None:
    base = tiny_llava(tmp_path / "base")
    LlavaForConditionalGeneration.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(base)
    adapter = tiny_adapter(tmp_path / "adapter", base)
    uri = register(adapter, str(base), None, RegistrySettings(name, bundle_base=True)).uri
    out = export(uri, tmp_path / "merged", merged=True)
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"


def test_what_cannot_be_exported_leaves_nothing(version: str, name: str, tmp_path: Path) -> None:
    other = tiny_llava(tmp_path / "other", seed=5)
    with pytest.raises(CheckpointError, match="--base"):
        export(version, tmp_path / "merged", merged=True, base=str(other))
    with pytest.raises(TrackingError):
        export(f"models:/{name}/99", tmp_path / "none")
    with pytest.raises(SettingError, match="not there yet"):
        export(version, other)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_command_writes_the_champion(version: str, name: str, tmp_path: Path) -> None:
    assert main(["export", "--model", name, "--out", str(tmp_path / "champion")]) == 0
    assert (tmp_path / "champion" / "adapter_model.safetensors").is_file()
