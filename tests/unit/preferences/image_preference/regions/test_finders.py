"""Promises that every region finder keeps, on tiny checkpoints of the real architectures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from groundtune.errors import CheckpointError
from groundtune.preferences.image_preference.regions.finder import RegionFinder
from tests.unit.preferences.image_preference.regions.conftest import PHRASES, load, pictures


def test_every_phrase_gets_a_mask_of_its_image_s_size_and_a_score(finder: RegionFinder) -> None:
    images = pictures()
    answers = finder.find(images, PHRASES)
    assert [[region.phrase for region in row] for row in answers] == [list(asked) for asked in PHRASES]
    for image, row in zip(images, answers, strict=True):
        for region in row:
            assert region.mask.shape == (image.height, image.width) and region.mask.dtype == np.bool_
            assert isinstance(region.score, float) and 0 <= region.score <= 1


def test_no_images_and_no_phrases_are_no_regions(finder: RegionFinder) -> None:
    assert finder.find([], []) == []
    assert finder.find(pictures(), [(), [], ()]) == [[], [], []]


def test_a_region_does_not_depend_on_its_batch(finder: RegionFinder) -> None:
    images = pictures()
    together = finder.find(images, [("a cat", "a dog", "bicycle")] * 3)
    for image, row in zip(images, together, strict=True):
        for region in row:
            (alone,) = finder.find([image], [[region.phrase]])[0]
            assert alone.score == region.score
            assert np.array_equal(alone.mask, region.mask)


def test_phrases_and_images_make_a_difference(finder: RegionFinder) -> None:
    images = pictures()
    scores = [[region.score for region in row] for row in finder.find(images, [("a cat", "bicycle")] * 3)]
    assert len({score for row in scores for score in row}) > 3


def test_a_grey_image_is_read_as_rgb(finder: RegionFinder) -> None:
    grey = pictures()[0].convert("L")
    (region,), (again,) = finder.find([grey, Image.merge("RGB", [grey] * 3)], [["a cat"]] * 2)
    assert region.score == again.score


def test_two_finders_of_the_same_files_have_the_same_digest(folders: dict[str, Path], finder: RegionFinder) -> None:
    name = "siglip" if "siglip" in str(getattr(finder, "checkpoint", "")) else "clip"
    if str(getattr(finder, "checkpoint", "")).endswith("siglip2"):
        name = "siglip2"
    again = load(folders, finder.name, name, mask_threshold=0.9)
    assert again.digest == finder.digest and len(finder.digest) == 64


@pytest.mark.parametrize("finder_name", ["patch_similarity", "clipseg", "grounding_dino+sam", "sam3"])
def test_a_higher_threshold_never_makes_a_larger_mask(folders: dict[str, Path], finder_name: str) -> None:
    areas = []
    for threshold in (0.0, 0.45, 0.55, 1.0):
        row = load(folders, finder_name, mask_threshold=threshold).find(pictures()[:1], [["a cat"]])[0]
        areas.append(int(row[0].mask.sum()))
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]


@pytest.mark.parametrize(
    ("finder_name", "model"),
    [("patch_similarity", "clip"), ("clipseg", "clipseg"), ("grounding_dino+sam", "grounding_dino"),
     ("grounding_dino+sam", "sam"), ("sam3", "sam3")],
)  # fmt: skip
def test_values_that_are_not_finite_are_an_error_and_no_score(
    folders: dict[str, Path], tmp_path: Path, finder_name: str, model: str
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in folders[model].iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    weights = load_file(damaged / "model.safetensors")
    weights = {name: torch.full_like(w, torch.nan) if w.ndim >= 2 else w for name, w in weights.items()}
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=rf"damaged: the finder {finder_name.replace('+', '.')} computed values"):
        load(folders | {model: damaged}, finder_name).find(pictures()[:1], [["a cat"]])
