"""Tiny loaded models, built once a run."""

import numpy as np
import pytest
import torch
from PIL import Image

from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import Prefix, encode_prefix
from tests.tiny_checkpoints import tiny_adapter, tiny_llava, tiny_llava_next

SIZES = ((40, 80), (90, 30), (28, 28), (60, 61))  # height, width


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)  # tiny matrices: threads only get in each other's way


@pytest.fixture(scope="session")
def llava_path(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="session")
def llava_next_path(tmp_path_factory):
    return tiny_llava_next(tmp_path_factory.mktemp("llava_next"))


@pytest.fixture(scope="session")
def adapter_path(tmp_path_factory, llava_path):
    return tiny_adapter(tmp_path_factory.mktemp("adapter"), llava_path)


@pytest.fixture(scope="session")
def llava(llava_path):
    return load_vlm(llava_path, device="cpu")


@pytest.fixture(scope="session", params=["llava", "llava_next", "llava_with_adapter"])
def vlm(request) -> Vlm:
    """Every kind of model whose results must be the same packed, batched and plain."""
    path = request.getfixturevalue("llava_next_path" if request.param == "llava_next" else "llava_path")
    adapter = request.getfixturevalue("adapter_path") if request.param == "llava_with_adapter" else None
    return load_vlm(path, adapter=adapter, device="cpu")


def picture(seed: int, size: tuple[int, int] = (28, 28)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def prompts(vlm: Vlm, count: int = 4) -> list[Prefix]:
    """Prompts of different lengths about different images of different shapes."""
    questions = (
        "What is it?",
        "Is there a cat in the image?",
        "Describe",
        "Is there a dog, a cup and a banana?",
    )
    return [encode_prefix(vlm, f"r{i}", questions[i % 4], picture(i, SIZES[i % len(SIZES)])) for i in range(count)]


def random_branches(vlm: Vlm, lengths: list[list[int]], seed: int = 0) -> list[list[list[int]]]:
    random = np.random.default_rng(seed)
    return [[random.integers(4, len(vlm.tokenizer), length).tolist() for length in own] for own in lengths]
