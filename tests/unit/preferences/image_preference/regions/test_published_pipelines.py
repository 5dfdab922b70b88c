"""Promises that the finders compute what the models' own pipelines in transformers compute."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    CLIPSegForImageSegmentation,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Sam3Model,
    SamModel,
    SamProcessor,
)

from groundtune.preferences.image_preference.regions.grounding_dino_sam import BOX_THRESHOLD, prompt
from groundtune.preferences.image_preference.regions.instances import kept_instances
from groundtune.preferences.image_preference.regions.sam3 import INSTANCE_THRESHOLD, read_sam3_images
from tests.unit.preferences.image_preference.regions.conftest import load, pictures


def test_clipseg_paints_what_its_whole_model_paints(folders: dict[str, Path]) -> None:
    image = pictures()[0]
    model = CLIPSegForImageSegmentation.from_pretrained(folders["clipseg"])
    pixels = AutoImageProcessor.from_pretrained(folders["clipseg"], backend="pil")(images=[image], return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(folders["clipseg"])(["a cat"], return_tensors="pt")
    with torch.inference_mode():
        logits = model(**pixels, **tokens).logits.reshape(1, 1, 32, 32)
    upsampled = torch.nn.functional.interpolate(
        torch.sigmoid(logits), size=(image.height, image.width), mode="bilinear"
    )
    (region,) = load(folders, "clipseg").find([image], [["a cat"]])[0]
    assert (region.mask == (upsampled[0, 0] >= 0.5).numpy()).mean() > 0.999
    assert 0.05 < region.mask.mean() < 0.95
    highest = torch.sigmoid(logits).flatten().topk(5).values.mean()
    assert region.score == pytest.approx(float(highest), abs=1e-6)


def test_grounding_dino_s_boxes_and_sam_s_masks_are_theirs(folders: dict[str, Path]) -> None:
    image = pictures()[0]
    images = AutoImageProcessor.from_pretrained(folders["grounding_dino"], backend="pil")
    processor = GroundingDinoProcessor(images, AutoTokenizer.from_pretrained(folders["grounding_dino"]))
    detector = GroundingDinoForObjectDetection.from_pretrained(folders["grounding_dino"])
    inputs = processor(images=image, text=[["Red  Cup"]], return_tensors="pt")
    with torch.inference_mode():
        out = detector(**inputs)
    found = processor.post_process_grounded_object_detection(
        out, inputs["input_ids"], threshold=0.0, target_sizes=[(image.height, image.width)]
    )[0]
    kept = kept_instances(found["scores"], BOX_THRESHOLD)
    assert int(kept.sum()) >= 1
    limits = torch.tensor([image.width, image.height] * 2)
    boxes = torch.minimum(found["boxes"][kept].clamp(min=0), limits)

    cutter = SamProcessor(AutoImageProcessor.from_pretrained(folders["sam"], backend="pil"))
    prompted = cutter(images=[image], input_boxes=[boxes.tolist()], return_tensors="pt")
    with torch.inference_mode():
        cut = SamModel.from_pretrained(folders["sam"])(
            pixel_values=prompted["pixel_values"], input_boxes=prompted["input_boxes"].float(), multimask_output=False
        )
    masks = cutter.post_process_masks(cut.pred_masks, prompted["original_sizes"], prompted["reshaped_input_sizes"])[0]

    (region,) = load(folders, "grounding_dino+sam").find([image], [["Red  Cup"]])[0]
    assert region.score == pytest.approx(float(found["scores"].max()), abs=1e-5)
    union = masks.flatten(0, 1).any(0).numpy()
    # the highest mask of every cell is upsampled: never less than the union of the upsampled ones, hardly more
    assert not (union & ~region.mask).any() and (region.mask == union).mean() > 0.95
    assert 0.02 < region.mask.mean() < 0.98


def test_a_prompt_is_one_phrase_in_lower_case_with_one_dot_at_its_end() -> None:
    assert prompt("Red cup") == "red cup."
    assert prompt(" a St. Bernard dog. ") == "a st bernard dog."


def test_sam3_s_score_and_masks_are_its_own(folders: dict[str, Path]) -> None:
    image = pictures()[0]
    pixels = read_sam3_images(folders["sam3"])(images=[image], return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(folders["sam3"])(
        ["a cat"], padding="max_length", max_length=16, return_tensors="pt"
    )
    with torch.inference_mode():
        out = Sam3Model.from_pretrained(folders["sam3"])(**pixels, **tokens)
    scores = out.pred_logits.sigmoid()[0] * out.presence_logits.sigmoid()[0]
    kept = out.pred_masks.sigmoid()[:, kept_instances(scores, INSTANCE_THRESHOLD)]
    size = (image.height, image.width)
    masks = torch.nn.functional.interpolate(kept, size=size, mode="bilinear") > 0.5
    (region,) = load(folders, "sam3").find([image], [["a cat"]])[0]
    assert region.score == pytest.approx(float(scores.max()), abs=1e-6)
    union = masks[0].any(0).numpy()
    assert not (union & ~region.mask).any() and (region.mask == union).mean() > 0.95
    assert 0.02 < region.mask.mean() < 0.98


def test_sam3_images_are_resized_to_a_square_rescaled_and_normalised(folders: dict[str, Path]) -> None:
    image = pictures()[1]
    pixels = read_sam3_images(folders["sam3"])(images=[image], return_tensors="np")["pixel_values"]
    assert pixels.shape == (1, 3, 56, 56)
    expected = np.asarray(image.resize((56, 56), 2), dtype=np.float64).transpose(2, 0, 1) / 127.5 - 1
    assert np.abs(pixels[0] - expected).max() < 1e-5


def test_the_detector_of_a_video_checkpoint_is_the_same_finder(folders: dict[str, Path], tmp_path: Path) -> None:
    """The published SAM 3 weights are those of the video model, with the detector as a part."""
    video = shutil.copytree(folders["sam3"], tmp_path / "video")
    detector = json.loads((video / "config.json").read_text())
    (video / "config.json").write_text(json.dumps({"model_type": "sam3_video", "detector_config": detector}))
    weights = {f"detector_model.{name}": w for name, w in load_file(video / "model.safetensors").items()}
    weights["tracker_model.unread"] = torch.zeros(2)
    save_file(weights, video / "model.safetensors", metadata={"format": "pt"})
    image = pictures()[0]
    (expected,) = load(folders, "sam3").find([image], [["a cat"]])[0]
    (region,) = load(folders | {"sam3": video}, "sam3").find([image], [["a cat"]])[0]
    assert region.score == expected.score and np.array_equal(region.mask, expected.mask)


def test_the_best_instance_always_counts_and_doubtful_ones_only_without_a_certain_one() -> None:
    def kept(*scores: float) -> list[bool]:
        return kept_instances(torch.tensor(scores), 0.25).tolist()

    assert kept(0.9, 0.5, 0.3, 0.1) == [True, True, False, False]
    assert kept(0.4, 0.3, 0.2) == [True, True, False]
    assert kept(0.1, 0.05) == [True, False]
