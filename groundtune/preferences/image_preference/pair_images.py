"""One pair's dispreferred image: which pixels, why, and the destroyed copy."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from groundtune.artifacts import Row
from groundtune.errors import RecordError
from groundtune.images import ATTACHED
from groundtune.preferences.image_preference import corruption
from groundtune.preferences.image_preference.keywords.ranking import Keyword
from groundtune.preferences.image_preference.masks import to_runs
from groundtune.preferences.image_preference.regions.finder import Mask, Region
from groundtune.settings import ImagePreferenceSettings

# Why the whole image was corrupted instead of regions of it.
FALLBACKS = {
    "no_keyword": "the answer names no thing",
    "not_found": "no keyword was found with a score of least_score",
    "empty_mask": "the keywords were found, but their masks are empty",
    "whole_image": "the regions cover more than largest_region of the image",
}


@dataclass(frozen=True)
class CorruptedRegion:
    """mask: bool [H, W], what is destroyed. fallback: a key of FALLBACKS, "" when it is the keywords' regions."""

    mask: Mask
    fallback: str


def region_of(
    regions: Sequence[Region], height: int, width: int, settings: ImagePreferenceSettings
) -> CorruptedRegion:
    """The union of the regions that were found; the whole image when there is none (MFPO), with the reason."""
    whole = np.ones((height, width), dtype=bool)
    found = [region for region in regions if region.score >= settings.least_score]
    union = np.zeros((height, width), dtype=bool)
    for region in found:
        union |= region.mask
    if not regions:
        return CorruptedRegion(whole, "no_keyword")
    if not found:
        return CorruptedRegion(whole, "not_found")
    if not union.any():
        return CorruptedRegion(whole, "empty_mask")
    if union.mean() > settings.largest_region:
        return CorruptedRegion(whole, "whole_image")
    return CorruptedRegion(union, "")


def image_pair(
    pair: Row,
    image: Image.Image,
    keywords: Sequence[Keyword],
    regions: Sequence[Region],
    settings: ImagePreferenceSettings,
) -> tuple[Row, str, bytes]:
    """(row of image_pairs, file name, PNG). The same pair, image and settings give the same bytes.

    regions: one a keyword. Raises RecordError when the corrupted image equals the image: nothing could be preferred.
    """
    pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    random = np.random.default_rng([settings.seed, *hashlib.sha256(pair["pair_id"].encode()).digest()[:16]])
    target = region_of(regions, height, width, settings)
    mask = target.mask
    if settings.region == "whole":
        mask = np.ones((height, width), dtype=bool)
    elif settings.region == "random":
        mask = corruption.random_region(height, width, int(mask.sum()), random)
    destroyed = corrupt(pixels, mask, settings, random)
    if np.array_equal(destroyed, pixels):
        problem = f"does not change by {settings.corruption}: the region has a single colour already"
        raise RecordError(pair["prompt_id"], "image", problem)
    content = corruption.png(destroyed)
    name = f"{hashlib.sha256(pair['pair_id'].encode()).hexdigest()[:24]}.png"
    row = {
        "pair_id": pair["pair_id"],
        "prompt_id": pair["prompt_id"],
        "keywords": [_told(keyword, region, settings) for keyword, region in zip(keywords, regions, strict=True)],
        "mask": to_runs(mask),
        "area": float(mask.mean()),
        "fallback": target.fallback,
        "corrupted": f"{ATTACHED}{name}",
        "corrupted_sha256": hashlib.sha256(content).hexdigest(),
    }
    return row, name, content


def corrupt(
    pixels: corruption.Pixels, mask: Mask, settings: ImagePreferenceSettings, random: np.random.Generator
) -> corruption.Pixels:
    """Destroy the mask's pixels in the way that the settings name; all others stay bit for bit."""
    if settings.corruption == "blur":
        return corruption.blur(pixels, mask, settings.blur_radius * max(pixels.shape[:2]))
    if settings.corruption == "mean":
        return corruption.fill_with_mean(pixels, mask)
    return corruption.diffuse(pixels, mask, settings.noise_step, random)


def _told(keyword: Keyword, region: Region, settings: ImagePreferenceSettings) -> Row:
    box = region.box
    found = region.score >= settings.least_score and box is not None
    return {
        "phrase": keyword.phrase,
        "weight": keyword.weight,
        "score": region.score,
        "found": found,
        "box": list(box) if found and box else [],
    }
