"""Tiny checkpoints of every finder, built once a run, and what is asked of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from groundtune.preferences.image_preference.regions.finder import RegionFinder
from groundtune.preferences.image_preference.regions.load import load_finder
from groundtune.settings.image_preference import ImagePreferenceSettings
from tests.tiny_checkpoints import tiny_clip, tiny_siglip
from tests.tiny_region_models import tiny_clipseg, tiny_grounding_dino, tiny_sam, tiny_sam3, tiny_siglip2

SIZES = ((40, 70), (64, 30), (33, 33))  # height, width


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of every model that a finder reads."""
    root = tmp_path_factory.mktemp("region_models")
    return {
        "clip": tiny_clip(root / "clip"),
        "siglip": tiny_siglip(root / "siglip"),
        "siglip2": tiny_siglip2(root / "siglip2"),
        "clipseg": tiny_clipseg(root / "clipseg"),
        "grounding_dino": tiny_grounding_dino(root / "grounding_dino"),
        "sam": tiny_sam(root / "sam"),
        "sam3": tiny_sam3(root / "sam3"),
    }


def load(
    folders: dict[str, Path], finder: str, patch_similarity: str = "clip", **settings: float | str
) -> RegionFinder:
    models = {name: str(folder) for name, folder in folders.items()}
    models["patch_similarity"] = models[patch_similarity]
    return load_finder(models, ImagePreferenceSettings.from_mapping({"finder": finder, **settings}))


@pytest.fixture(scope="session", params=["clip", "siglip", "siglip2", "clipseg", "grounding_dino+sam", "sam3"])
def finder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> RegionFinder:
    """Every finder, the patch finder over each of its families."""
    if request.param in ("clip", "siglip", "siglip2"):
        return load(folders, "patch_similarity", request.param)
    return load(folders, request.param)


def pictures() -> list[Image.Image]:
    """Images of different shapes: smooth colour fields, so that what a tiny random model paints has an edge."""
    found = []
    for seed, (height, width) in enumerate(SIZES):
        field = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
        found.append(Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC))
    return found


PHRASES = (("a cat", "red cup on the table"), (), ("bicycle",))
