"""Noise where the answer looks, and not a bit of change elsewhere."""

import io
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from groundtune.preferences.image_preference import corruption
from groundtune.preferences.image_preference.masks import from_runs, to_runs

PIXELS = np.random.default_rng(7).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def left_half(height=40, width=60):
    mask = np.zeros((height, width), dtype=bool)
    mask[:, : width // 2] = True
    return mask


WAYS = {
    "diffusion": lambda mask: corruption.diffuse(PIXELS, mask, 500, np.random.default_rng(1)),
    "blur": lambda mask: corruption.blur(PIXELS, mask, 4.0),
    "mean": lambda mask: corruption.fill_with_mean(PIXELS, mask),
}


@pytest.mark.parametrize("way", WAYS)
def test_pixels_outside_the_region_stay_bit_for_bit(way):
    mask = left_half()
    made = WAYS[way](mask)
    assert made.dtype == np.uint8 and made.shape == PIXELS.shape
    assert np.array_equal(made[~mask], PIXELS[~mask])
    assert (made[mask] != PIXELS[mask]).mean() > 0.9


@pytest.mark.parametrize("way", WAYS)
def test_a_saved_image_is_the_same_image(way):
    made = WAYS[way](left_half())
    content = corruption.png(made)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), made)
    assert corruption.png(made) == content


def test_the_schedule_keeps_what_the_design_says():
    assert corruption.kept_signal(500) == pytest.approx(0.863, abs=5e-4)
    kept = [corruption.kept_signal(step) for step in range(1000)]
    assert all(a > b for a, b in itertools.pairwise(kept)) and kept[0] > 0.9999 and kept[-1] < 0.3


def test_diffusion_is_the_formula():
    """On mid grey, where nothing is clipped, mean and spread follow sqrt(abar) and sqrt(1 - abar)."""
    grey = np.full((200, 200, 3), 128, dtype=np.uint8)
    made = corruption.diffuse(grey, np.ones((200, 200), bool), 100, np.random.default_rng(0)) / 255
    signal = corruption.kept_signal(100)
    assert made.mean() == pytest.approx(signal * 128 / 255, abs=2e-3)
    assert made.std() == pytest.approx(math.sqrt(1 - signal**2), abs=2e-3)


def test_the_noise_of_a_pixel_does_not_depend_on_the_mask():
    small, large = left_half(), np.ones((40, 60), bool)
    one = corruption.diffuse(PIXELS, small, 500, np.random.default_rng(3))
    other = corruption.diffuse(PIXELS, large, 500, np.random.default_rng(3))
    assert np.array_equal(one[small], other[small])


def test_the_mean_is_that_of_the_surroundings():
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[:, 5:] = (10, 20, 30)
    made = corruption.fill_with_mean(pixels, left_half(10, 10))
    assert made[0, 0].tolist() == [10, 20, 30]
    whole = corruption.fill_with_mean(pixels, np.ones((10, 10), bool))
    assert whole[0, 0].tolist() == [5, 10, 15]


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_random_region_has_about_the_area_asked_for_and_stays_inside(height, width, share, seed):
    area = round(share * height * width)
    mask = corruption.random_region(height, width, area, np.random.default_rng(seed))
    assert mask.shape == (height, width) and mask.any()
    assert abs(int(mask.sum()) - area) <= height + width


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=8))
def test_run_lengths_give_the_mask_back(rows):
    mask = np.array(rows)
    runs = to_runs(mask)
    assert sum(runs) == mask.size and np.array_equal(from_runs(runs, *mask.shape), mask)
