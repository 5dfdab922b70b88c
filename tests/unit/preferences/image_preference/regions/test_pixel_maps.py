"""Promises about geometry: a patch is painted where the model saw it, and nowhere else."""

import numpy as np
import pytest
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from groundtune.errors import CheckpointError
from groundtune.preferences.image_preference.regions.pixel_maps import seen_window, to_pixels, whole

CROP = {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}
PROCESSORS = {
    "crop": CLIPImageProcessorPil(**CROP),
    "crop smaller than the shortest edge": CLIPImageProcessorPil(**CROP | {"size": {"shortest_edge": 60}}),
    "crop larger than the image": CLIPImageProcessorPil(**CROP | {"size": {"shortest_edge": 30}}),
    "squash": SiglipImageProcessorPil(size={"height": 48, "width": 48}),
    "no resizing": CLIPImageProcessorPil(**CROP | {"do_resize": False}),
}
SIZES = ((48, 48), (144, 96), (90, 200), (61, 77))  # width, height


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_window_is_what_the_processor_shows_the_model(processor, size) -> None:
    width, height = size
    # every pixel tells its own place; the blue one tells picture from padding
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    picture = Image.fromarray(np.stack([across, down, np.full_like(across, 255)], -1).astype(np.uint8))
    seen = processor(images=[picture], do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    window = seen_window(processor, size)

    rows, columns = (np.arange(48) + 0.5) / 48, (np.arange(48) + 0.5) / 48
    expected_x = window.left + columns * (window.right - window.left) - 0.5
    expected_y = window.top + rows * (window.bottom - window.top) - 0.5
    real = seen[2] > 254
    inside_x, inside_y = real.any(0), real.any(1)
    margin = max(1.0, max(size) / 48)  # edges of the picture are blurred by resampling
    inner_x = inside_x & (expected_x > margin) & (expected_x < width - 1 - margin)
    inner_y = inside_y & (expected_y > margin) & (expected_y < height - 1 - margin)
    assert inner_x.sum() >= 5 and inner_y.sum() >= 5
    middle_row, middle_column = np.flatnonzero(inner_y)[inner_y.sum() // 2], np.flatnonzero(inner_x)[inner_x.sum() // 2]
    assert np.abs(seen[0][middle_row, inner_x] - expected_x[inner_x]).max() < 0.6
    assert np.abs(seen[1][inner_y, middle_column] - expected_y[inner_y]).max() < 0.6


def test_what_a_centre_crop_cut_off_is_never_in_a_mask() -> None:
    size = (200, 100)
    pixels = to_pixels(np.ones((4, 4)), seen_window(PROCESSORS["crop"], size), size)
    inside = pixels >= 0.0
    assert inside[:, 50:150].all()
    assert not inside[:, :49].any() and not inside[:, 151:].any()


def test_one_patch_is_painted_at_its_place() -> None:
    grid = np.zeros((4, 8))
    grid[1, 6] = 1.0
    mask = to_pixels(grid, whole((160, 40)), (160, 40)) >= 0.5
    rows, columns = np.nonzero(mask)
    assert (columns.mean(), rows.mean()) == (129.5, 14.5)  # the middle of columns 120-139 and rows 10-19
    assert 0.5 < mask.sum() / (20 * 10) <= 1.0


def test_upsampling_keeps_a_linear_map_linear_and_a_flat_one_flat() -> None:
    grid = np.tile(np.arange(6.0), (5, 1))
    pixels = to_pixels(grid, whole((60, 50)), (60, 50))
    steps = np.diff(pixels[20, 5:-5])
    assert np.allclose(steps, 0.1) and np.allclose(pixels, pixels[:1])
    assert np.allclose(to_pixels(np.full((3, 3), 0.7), whole((31, 17)), (31, 17)), 0.7)


def test_a_kind_of_resizing_that_is_not_known_is_refused() -> None:
    processor = CLIPImageProcessorPil(**CROP | {"size": {"max_height": 48, "max_width": 48}})
    with pytest.raises(CheckpointError, match=r"max_height.*expected height and width, or shortest_edge"):
        seen_window(processor, (100, 50))
