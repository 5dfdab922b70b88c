"""Pools with the prefixes of their prompts, and what cannot be read set apart."""

from collections.abc import Sequence

from groundtune.candidates.pools import Pool
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.vlm.image_files import encode_prompt
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix


def readable_pools(
    vlm: Vlm, pools: Sequence[Pool], store: ImageStore
) -> tuple[list[Pool], list[Prefix], dict[str, RecordError]]:
    """(pools whose prompt and image can be encoded, their prefixes, candidate id -> why its own cannot)."""
    readable, prefixes = [], []
    unreadable: dict[str, RecordError] = {}
    for pool in pools:
        try:
            prefixes.append(encode_prompt(vlm, pool.prompt, store))
            readable.append(pool)
        except RecordError as error:
            unreadable |= {str(row["candidate_id"]): error for row in pool.candidates}
    return readable, prefixes, unreadable
