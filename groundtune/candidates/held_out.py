"""Which prompts a reward model learns from; selection leaves exactly these out."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_BYTES = 6  # 48 bits of a digest are a float64 without rounding, on any machine


def held_out(prompt_ids: pa.Array | pa.ChunkedArray | Iterable[str], share: float, seed: int) -> NDArray[np.bool_]:
    """[N] true for about `share` of the prompts, by a digest of the id and the seed alone.

    What holds for a prompt holds whatever other prompts there are, and a larger share holds out all that a smaller one
    does. share: [0, 1]. Prompts are held out, never single answers, so no pool is on both sides.
    """
    ids = prompt_ids.to_pylist() if isinstance(prompt_ids, (pa.Array, pa.ChunkedArray)) else prompt_ids
    places = [_place(prompt_id, seed) for prompt_id in ids]
    return np.array(places, dtype=np.float64) < share


def _place(prompt_id: str, seed: int) -> float:
    """Uniform in [0, 1)."""
    digest = hashlib.sha256(f"held out {seed}/{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:_BYTES], "big") / float(1 << (8 * _BYTES))
