"""Promises of the way from a mask of pixels to image tokens."""

import numpy as np
import pytest
import torch

from groundtune.vlm.features import image_features
from groundtune.vlm.loader import load_processor
from groundtune.vlm.prompt import encode_prefix
from groundtune.vlm.token_coverage import image_positions, patch_positions, token_coverage
from tests.tiny_checkpoints import IMAGE, PATCH
from tests.unit.vlm.conftest import picture

GRID = IMAGE // PATCH


def half(height: int, width: int, *, columns: slice = slice(None), rows: slice = slice(None)) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[rows, columns] = True
    return mask


@pytest.fixture(params=["llava_path", "llava_next_path"])
def reader(request):
    return load_processor(request.getfixturevalue(request.param))


def test_the_left_half_of_the_pixels_is_the_left_half_of_the_tokens(reader):
    grid = token_coverage(reader, half(56, 56, columns=slice(0, 28))).reshape(GRID, GRID)
    # resampling blurs the border by a pixel
    torch.testing.assert_close(grid, torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(GRID, GRID), atol=0.1, rtol=0)
    top = token_coverage(reader, half(56, 56, rows=slice(0, 28))).reshape(GRID, GRID)
    torch.testing.assert_close(top, grid.T)


def test_without_resampling_the_shares_are_exact(reader):
    mask = half(IMAGE, IMAGE, columns=slice(0, PATCH + 3), rows=slice(0, PATCH))
    grid = token_coverage(reader, mask).reshape(GRID, GRID)
    expected = torch.zeros(GRID, GRID)
    expected[0, :2] = torch.tensor([1.0, 3 / PATCH])
    torch.testing.assert_close(grid, expected)


@pytest.mark.parametrize("tall", [False, True])
def test_a_centre_crop_of_the_image_crops_the_mask(llava_path, tall):
    """Of a 56 x 28 image the model sees the middle half."""
    reader = load_processor(llava_path)
    turned = (lambda mask: mask.T) if tall else (lambda mask: mask)

    def seen(columns: slice) -> torch.Tensor:
        grid = token_coverage(reader, turned(half(28, 56, columns=columns))).reshape(GRID, GRID)
        return grid.T if tall else grid

    torch.testing.assert_close(seen(slice(0, 28)), torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(GRID, GRID))
    assert float(seen(slice(0, 14)).sum()) == 0.0, "what lies outside of the crop is on no token"
    assert float(seen(slice(14, 42)).min()) == 1.0


def test_the_base_view_of_tiles_is_stretched_and_not_cropped(llava_next_path):
    reader = load_processor(llava_next_path)
    grid = token_coverage(reader, half(28, 56, columns=slice(0, 14))).reshape(GRID, GRID)
    torch.testing.assert_close(grid, torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(GRID, GRID), atol=0.1, rtol=0)


def test_an_empty_and_a_full_mask_cover_nothing_and_everything(reader):
    assert float(token_coverage(reader, half(33, 61, columns=slice(0, 0))).max()) == 0.0
    assert float(token_coverage(reader, half(33, 61)).min()) == 1.0


def test_patches_are_all_image_tokens_of_llava(llava):
    prefix = encode_prefix(llava, "a", "What is it?", picture(0, (40, 80)))
    assert patch_positions(llava, prefix).tolist() == image_positions(llava, prefix).tolist()
    assert len(patch_positions(llava, prefix)) == GRID**2


def test_patches_of_tiles_are_the_tokens_that_the_base_view_makes(llava_next_path):
    """Their features stay when every tile but the base view is replaced, and all others change."""
    from dataclasses import replace

    from groundtune.vlm.loader import load_vlm

    vlm = load_vlm(llava_next_path, device="cpu")
    prefix = encode_prefix(vlm, "a", "What is it?", picture(0, (40, 80)))
    other = prefix.pixels["pixel_values"].clone()
    other[:, 1:] = torch.randn(other[:, 1:].shape, generator=torch.Generator().manual_seed(0))
    changed = replace(prefix, pixels=prefix.pixels | {"pixel_values": other}, image_key="other")
    with torch.no_grad():
        before, after = image_features(vlm, [prefix, changed])
    places = image_positions(vlm, prefix)
    chosen = torch.isin(places, patch_positions(vlm, prefix))
    assert int(chosen.sum()) == GRID**2
    torch.testing.assert_close(before[chosen], after[chosen])
    newline = vlm.base.model.image_newline
    differs = (before - after).abs().amax(dim=1) > 1e-4
    is_newline = (before == newline).all(dim=1)
    assert bool((differs | is_newline)[~chosen].all())


def test_a_tower_without_a_class_token_loses_its_first_patch_with_the_default_strategy(llava_path, monkeypatch):
    from groundtune.vlm import token_coverage as module

    reader = load_processor(llava_path)
    monkeypatch.setattr(module, "tower_tokens", lambda config: GRID**2)
    assert len(token_coverage(reader, half(28, 28))) == GRID**2 - 1
