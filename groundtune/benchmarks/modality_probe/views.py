"""The images under which a question is asked: the true one, and what is left of it."""

import hashlib
from typing import Any

import numpy as np
from PIL import Image

from groundtune.preferences.image_preference.corruption import diffuse
from groundtune.preferences.image_preference.regions.finder import Mask
from groundtune.settings import ProbeSettings

TRUE, REGION, DESTROYED, REMOVED = "true", "region", "destroyed", "removed"
ALTERED = (REGION, DESTROYED, REMOVED)


def destroyed(image: Image.Image, settings: ProbeSettings, mask: Mask | None = None) -> Image.Image:
    """Forward diffusion at settings.noise_step inside the mask, everywhere without one; same size (MFPO's noise).

    The noise follows from the seed and the pixels alone: every probe, question and region sees the same of an image.
    """
    pixels = np.asarray(image.convert("RGB"))
    identity = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()
    random = np.random.default_rng([settings.seed, *identity[:16]])
    everywhere = np.ones(pixels.shape[:2], dtype=bool)
    return Image.fromarray(diffuse(pixels, everywhere if mask is None else mask, settings.noise_step, random))


def removed(image: Image.Image, image_processor: Any) -> Image.Image:
    """A plain image of the same size in the colour that the processor turns into zeros, its mean; no image at all would
    be another prompt."""
    mean = getattr(image_processor, "image_mean", None) if getattr(image_processor, "do_normalize", False) else None
    colour = np.broadcast_to(np.asarray(0.5 if mean is None else mean, dtype=np.float64), 3)
    red, green, blue = (round(255 * float(value)) for value in colour)
    return Image.new("RGB", image.size, (red, green, blue))
