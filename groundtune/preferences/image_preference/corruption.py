"""The dispreferred image: what the answer speaks of is destroyed, every other pixel stays as it was (MFPO)."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from groundtune.preferences.image_preference.regions.finder import Mask

STEPS = 1000
Pixels = NDArray[np.uint8]


def kept_signal(step: int) -> float:
    """sqrt(abar_t), the share of the image's signal at diffusion step t = `step`, 0 to 999.

    betas = sigmoid(linspace(-6, 6, 1000)) * (5e-3 - 1e-5) + 1e-5, the schedule of the field's earlier work on
    distorted images; .863 at step 500. MFPO states t = 500 and not its schedule.
    """
    betas = 1 / (1 + np.exp(-np.linspace(-6, 6, STEPS))) * (5e-3 - 1e-5) + 1e-5
    return float(np.sqrt(np.cumprod(1 - betas)[step]))


def diffuse(pixels: Pixels, mask: Mask, step: int, random: np.random.Generator) -> Pixels:
    """Inside the mask sqrt(abar_t) * R + sqrt(1 - abar_t) * eps (MFPO), on pixels in [0, 1], clipped and rounded.

    pixels: uint8 [H, W, 3]; mask: bool [H, W]. The noise of a pixel does not depend on the mask.
    """
    noise = random.standard_normal(pixels.shape, dtype=np.float32)
    signal = kept_signal(step)
    noisy = signal * (pixels / np.float32(255)) + math.sqrt(1 - signal**2) * noise
    return _inside(mask, np.rint(np.clip(noisy, 0, 1) * 255), pixels)


def blur(pixels: Pixels, mask: Mask, radius: float) -> Pixels:
    """Inside the mask a Gaussian blur of the whole image; radius: standard deviation in pixels. Ours (ablation)."""
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
    return _inside(mask, blurred, pixels)


def fill_with_mean(pixels: Pixels, mask: Mask) -> Pixels:
    """Inside the mask the mean colour of what is outside, of the image itself when nothing is. Ours (ablation)."""
    around = pixels[~mask] if not mask.all() else pixels.reshape(-1, 3)
    return _inside(mask, np.rint(around.mean(0)), pixels)


def random_region(height: int, width: int, area: int, random: np.random.Generator) -> Mask:
    """A rectangle of `area` pixels (to the nearest that fits) somewhere in the image, of the image's proportions.

    MFPO's ablation "random region"; the area is that of the pair's own keyword regions, so that only the place differs.
    """
    share = np.sqrt(min(1.0, area / (height * width)))
    tall, wide = max(1, round(height * share)), max(1, round(width * share))
    top, left = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + tall, left : left + wide] = True
    return mask


def png(pixels: Pixels) -> bytes:
    """Lossless file content; the same pixels give the same bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def _inside(mask: Mask, new: NDArray, pixels: Pixels) -> Pixels:
    return np.where(mask[:, :, None], new, pixels).astype(np.uint8)
