"""The committed models are ordinary checkpoint folders, small, and good enough for what the demo shows."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor, CLIPModel, LlavaForConditionalGeneration

from groundtune.demo import CHECKPOINTS, CLIP_CHECKPOINT, LLAVA_CHECKPOINT
from groundtune.demo.corpus import model_pixels, normalised
from groundtune.demo.draw import render
from groundtune.demo.llava_measures import hallucinates
from groundtune.demo.packing import prompt_text
from groundtune.demo.world import scenes

SCENES = list(scenes(0, "measure", 12))
PICTURES = [render(scene) for scene in SCENES]
QUESTION = "Describe this image in detail."


@pytest.fixture(scope="module")
def llava() -> tuple[Any, Any]:
    model = AutoModelForImageTextToText.from_pretrained(LLAVA_CHECKPOINT, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(LLAVA_CHECKPOINT)


@pytest.fixture(scope="module")
def clip() -> tuple[Any, Any]:
    model = AutoModel.from_pretrained(CLIP_CHECKPOINT, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(CLIP_CHECKPOINT)


def test_the_folders_hold_safetensors_and_json_only_and_are_small() -> None:
    files = [path for path in CHECKPOINTS.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".jinja"}
    assert sum(path.stat().st_size for path in files) <= 10_000_000


def test_the_build_record_meets_the_acceptance_limits() -> None:
    record = json.loads((CHECKPOINTS / "BUILD.json").read_text(encoding="utf-8"))
    measured = record["measured"]
    assert measured["clip_sentence_auc"]["companion"] > 0.95
    assert measured["llava_captions"]["coverage"] >= 0.85
    assert 0.2 <= measured["llava_captions"]["hallucinating_captions"] <= 0.6
    assert measured["llava_questions"]["existence"] >= 0.75
    assert measured["llava_pools"]["mixed_pools"] > 0.7
    assert measured["llava_pools"]["clip_min_auc"] > 0.85


def test_auto_classes_load_the_models(llava: tuple[Any, Any], clip: tuple[Any, Any]) -> None:
    assert isinstance(llava[0], LlavaForConditionalGeneration)
    assert isinstance(clip[0], CLIPModel)


def test_the_processor_writes_as_many_image_tokens_as_the_model_expects(llava: tuple[Any, Any]) -> None:
    model, processor = llava
    inputs = processor(images=PICTURES[0], text=prompt_text(QUESTION), return_tensors="pt")
    features = model.get_image_features(inputs["pixel_values"]).pooler_output[0]
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == features.shape[0] == 36


def test_the_chat_template_is_that_of_llava(llava: tuple[Any, Any]) -> None:
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    asked = llava[1].apply_chat_template(messages, add_generation_prompt=True)
    assert asked == prompt_text(QUESTION) == f"USER: <image>\n{QUESTION} ASSISTANT:"
    answered = [*messages, {"role": "assistant", "content": [{"type": "text", "text": "A cup."}]}]
    assert llava[1].apply_chat_template(answered) == f"{asked} A cup.</s>"


def test_the_processor_sees_what_training_saw(llava: tuple[Any, Any]) -> None:
    seen = llava[1].image_processor(PICTURES[0], return_tensors="pt")["pixel_values"]
    trained = normalised(model_pixels(PICTURES[0])[None], llava[1])
    torch.testing.assert_close(seen, trained, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("text", ["There is a red cup on the left.", "Ein Gruß, naïve 猫 — 3 × 4\n\ttabs"])
def test_any_text_survives_the_tokenizers(llava: tuple[Any, Any], clip: tuple[Any, Any], text: str) -> None:
    for _, processor in (llava, clip):
        tokenizer = processor.tokenizer
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


def test_captions_name_what_is_there(llava: tuple[Any, Any]) -> None:
    model, processor = llava
    prompts = [prompt_text(QUESTION)] * len(PICTURES)
    inputs = processor(images=PICTURES, text=prompts, return_tensors="pt", padding=True)
    output = model.generate(**inputs, do_sample=False, max_new_tokens=96)
    texts = processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    named = [kind in text for scene, text in zip(SCENES, texts, strict=True) for kind in scene.kinds]
    assert sum(named) / len(named) >= 0.85
    assert 0 < sum(hallucinates(text, scene) for scene, text in zip(SCENES, texts, strict=True)) < len(SCENES)


def test_clip_prefers_what_is_there(clip: tuple[Any, Any]) -> None:
    model, processor = clip
    rng = random.Random(0)
    present = [f"a photo of a {rng.choice(scene.kinds)}" for scene in SCENES]
    absent = [
        f"a photo of a {rng.choice([k for k in ('cup', 'dog', 'car') if k not in scene.kinds])}" for scene in SCENES
    ]
    inputs = processor(images=PICTURES, text=present + absent, return_tensors="pt", padding=True)
    with torch.no_grad():
        logits = model(**inputs).logits_per_image
    count = len(SCENES)
    better = logits.diagonal() > logits[:, count:].diagonal()
    assert better.float().mean() >= 0.8


def test_clip_reads_a_sentence_to_its_end(clip: tuple[Any, Any]) -> None:
    """CLIPTextModel pools elsewhere than at </s> when that token's id is 2."""
    model, processor = clip
    assert model.config.text_config.eos_token_id == processor.tokenizer.eos_token_id != 2
    texts = ["There is a red cup on the left.", "There is a red cup on the right."]
    with torch.no_grad():
        left, right = model.get_text_features(**processor.tokenizer(texts, return_tensors="pt")).pooler_output
    assert not torch.allclose(left, right, atol=1e-3)


def test_a_quick_build_runs_and_repeats(tmp_path: Path) -> None:
    from groundtune.demo.build import build

    records = []
    for name in ("first", "second"):
        record = build(tmp_path / name, seed=7, quick=True, report=lambda line: None)
        records.append({key: value for key, value in record.items() if key not in ("seconds", "command")})
        assert (tmp_path / name / "BUILD.json").is_file()
        assert isinstance(AutoProcessor.from_pretrained(tmp_path / name / "llava").tokenizer.eos_token_id, int)
    assert json.dumps(records[0]) == json.dumps(records[1])
    for part in ("llava", "clip"):
        weights = [(tmp_path / name / part / "model.safetensors").read_bytes() for name in ("first", "second")]
        assert weights[0] == weights[1]
