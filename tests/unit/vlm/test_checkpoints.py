"""Promises about checkpoint folders: unsafe or incomplete ones are refused, with the file and what to do."""

import json
import logging
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundtune.errors import CheckpointError, SettingError
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.checkpoints import check_adapter, check_checkpoint, checkpoint_digest, checkpoint_identity
from groundtune.vlm.generate import generate
from groundtune.vlm.loader import check_checkpoint as also_in_loader
from groundtune.vlm.loader import load_processor, load_vlm
from groundtune.vlm.prompt import encode_prefix
from groundtune.vlm.sampling import Decoding
from tests.tiny_checkpoints import tiny_adapter, tiny_clip, tiny_llava, tiny_siglip
from tests.unit.vlm.conftest import picture, prompts, random_branches


@pytest.fixture
def copy(llava_path, tmp_path):
    return shutil.copytree(llava_path, tmp_path / "copy")


def change_json(file, **settings):
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def test_good_folders_pass(llava_path, llava_next_path, tmp_path):
    for path in (llava_path, llava_next_path, tiny_clip(tmp_path / "clip"), tiny_siglip(tmp_path / "siglip")):
        check_checkpoint(path)
        assert len(checkpoint_digest(path)) == 64
    assert also_in_loader is check_checkpoint


def test_a_missing_folder_is_named():
    with pytest.raises(CheckpointError, match=r"llava-hf/llava-1.5-7b-hf: no such folder .*hub"):
        load_vlm("llava-hf/llava-1.5-7b-hf")


def test_a_folder_without_config_is_refused(copy):
    (copy / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config.json"):
        check_checkpoint(copy)


@pytest.mark.parametrize("file", ["config.json", "processor_config.json", "tokenizer_config.json"])
def test_remote_code_is_refused(copy, file):
    change_json(copy / file, auto_map={"AutoModel": "modeling.Evil"})
    with pytest.raises(CheckpointError, match=rf"{file}.*remote code"):
        load_vlm(copy)


def test_remote_code_deep_in_a_config_is_refused(copy):
    settings = json.loads((copy / "config.json").read_text())
    settings["vision_config"]["auto_map"] = {"AutoModel": "modeling.Evil"}
    (copy / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="remote code"):
        check_checkpoint(copy)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "last.ckpt"])
def test_pickled_weights_are_refused(copy, name):
    (copy / "model.safetensors").rename(copy / name)
    with pytest.raises(CheckpointError, match=rf"{name} is a pickle.*only safetensors are read"):
        load_vlm(copy)


def test_a_folder_without_weights_is_refused(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no \*\.safetensors"):
        check_checkpoint(copy)


def test_a_missing_shard_is_named(copy):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002.safetensors, which is missing"):
        check_checkpoint(copy)


def test_weights_that_lack_a_tensor_are_refused_instead_of_filled_at_random(copy):
    tensors = load_file(copy / "model.safetensors")
    removed = next(name for name in tensors if "projector" in name)
    save_file(
        {k: v for k, v in tensors.items() if k != removed},
        copy / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(CheckpointError, match="missing keys"):
        load_vlm(copy, device="cpu")


def test_damaged_weights_are_refused(copy):
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_vlm(copy, device="cpu")


def test_a_broken_config_is_named(copy):
    (copy / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config.json: not readable as JSON"):
        check_checkpoint(copy)


def test_an_unknown_family_is_told_the_known_ones(tmp_path):
    with pytest.raises(CheckpointError, match=r"'clip' is not a known .* \(known: llava, llava_next\)"):
        load_vlm(tiny_clip(tmp_path))


@pytest.mark.parametrize(("setting", "value"), [("device", "gpuu"), ("dtype", "int8")])
def test_a_wrong_load_setting_is_named(llava_path, setting, value):
    with pytest.raises(SettingError, match=setting):
        load_vlm(llava_path, **{setting: value})


def test_the_digest_follows_content_not_place(llava_path, copy, tmp_path):
    assert checkpoint_digest(copy) == checkpoint_digest(llava_path)
    (copy / "README.md").write_text("notes")
    assert checkpoint_digest(copy) == checkpoint_digest(llava_path)
    change_json(copy / "generation_config.json", eos_token_id=5)
    assert checkpoint_digest(copy) != checkpoint_digest(llava_path)
    assert checkpoint_digest(tiny_llava(tmp_path / "again")) == checkpoint_digest(llava_path)
    assert checkpoint_digest(tiny_llava(tmp_path / "other", seed=1)) != checkpoint_digest(llava_path)


def test_a_change_shows_in_its_part_alone(llava_path, copy):
    def changed() -> set[str]:
        parts = checkpoint_identity(copy).parts
        found = {name for name, digest in checkpoint_identity(llava_path).parts.items() if parts[name] != digest}
        shutil.rmtree(copy)
        shutil.copytree(llava_path, copy)
        return found

    (copy / "README.md").write_text("notes")
    assert changed() == set()
    change_json(copy / "config.json", note="x")
    assert changed() == {"model"}
    change_json(copy / "processor_config.json", note="x")
    assert changed() == {"processor"}
    change_json(copy / "tokenizer_config.json", model_max_length=7)
    assert changed() == {"tokenizer"}
    change_json(copy / "tokenizer_config.json", chat_template="{{ messages }}")  # where older checkpoints have it
    assert changed() == {"chat_template"}
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert changed() == {"chat_template"}
    tiny_llava(copy, seed=1)
    assert changed() == {"model"}


def test_an_adapter_s_digest_does_not_hold_the_place_of_its_base(adapter_path, copy, tmp_path):
    assert checkpoint_digest(tiny_adapter(tmp_path / "a", copy)) == checkpoint_digest(adapter_path)


def test_an_adapter_loads_and_changes_the_answer(llava, llava_path, adapter_path):
    adapted = load_vlm(llava_path, adapter=adapter_path, device="cpu")
    assert adapted.digest == llava.digest
    assert llava.adapter_digest == ""
    assert adapted.adapter_digest == checkpoint_digest(adapter_path)
    decoding = Decoding(max_new_tokens=8, temperature=0, samples=1)
    prefixes, answers = prompts(llava, 2), random_branches(llava, [[6], [6]])
    assert generate(adapted, prefixes, decoding, [0, 0]) != generate(llava, prefixes, decoding, [0, 0])
    with torch.no_grad():
        plain, changed = (branch_logprobs(vlm, prefixes, answers)[0][0] for vlm in (llava, adapted))
        with adapted.model.disable_adapter():
            disabled = branch_logprobs(adapted, prefixes, answers)[0][0]
    assert float((plain - changed).abs().max()) > 1e-2
    assert torch.equal(plain, disabled)


def test_a_pickled_adapter_is_refused(adapter_path, tmp_path):
    folder = shutil.copytree(adapter_path, tmp_path / "adapter")
    (folder / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"adapter_model.bin is a pickle"):
        check_adapter(folder)
    (folder / "adapter_model.bin").unlink()
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no adapter_model.safetensors"):
        check_adapter(folder)
    (folder / "adapter_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no adapter_config.json"):
        check_adapter(folder)


def test_an_adapter_of_another_model_is_refused(llava_path, adapter_path, tmp_path):
    folder = shutil.copytree(adapter_path, tmp_path / "adapter")
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file({k: v[:, :5].clone() for k, v in tensors.items()}, folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="does not fit the checkpoint"):
        load_vlm(llava_path, adapter=folder, device="cpu")
    kept = {k: v for k, v in tensors.items() if "layers.0" in k}
    save_file(kept, folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="does not fit the checkpoint"):
        load_vlm(llava_path, adapter=folder, device="cpu")


def test_a_processor_that_lacks_its_settings_is_completed_from_the_model(copy, caplog, llava):
    settings = json.loads((copy / "processor_config.json").read_text())
    for name in ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"):
        del settings[name]
    (copy / "processor_config.json").write_text(json.dumps(settings))
    with caplog.at_level(logging.WARNING):
        reader = load_processor(copy)
    assert "patch_size=7, vision_feature_select_strategy='default', num_additional_image_tokens=1" in caplog.text
    mine, theirs = (encode_prefix(vlm, "a", "hi", picture(1)) for vlm in (reader, llava))
    assert torch.equal(mine.input_ids, theirs.input_ids)


def test_a_tokenizer_without_pad_token_uses_its_end_token(tmp_path):
    reader = load_processor(tiny_llava(tmp_path, pad=False))
    assert reader.tokenizer.pad_token == "</s>"


def test_a_loaded_model_is_in_eval_mode_and_float32_on_a_cpu(llava):
    assert not llava.model.training
    assert llava.dtype == torch.float32 == llava.model.dtype
    assert type(llava.processor.image_processor).__name__.endswith("Pil")
