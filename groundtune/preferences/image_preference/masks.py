"""Masks as run lengths: small enough for a row, exact."""

import numpy as np
from numpy.typing import NDArray

from groundtune.errors import ArtifactError
from groundtune.preferences.image_preference.regions.finder import Mask


def to_runs(mask: Mask) -> list[int]:
    """bool [H, W] -> lengths of alternating runs, row by row, the first one of clean (False) pixels, possibly 0."""
    flat = mask.ravel()
    if not flat.size:
        return []
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs


def from_runs(runs: list[int], height: int, width: int) -> Mask:
    """Run lengths -> bool [H, W]. Raises ArtifactError when they do not add up to the image."""
    if sum(runs) != height * width:
        raise ArtifactError(f"a mask of {sum(runs):,} pixels does not fit an image of {width} x {height}")
    values: NDArray[np.bool_] = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(height, width)
