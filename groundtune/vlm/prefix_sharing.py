"""Find what several prompts about one image have in common, so that it is read once."""

from collections.abc import Sequence
from dataclasses import replace

from groundtune.vlm.prompt import Prefix


def split_on_prefix(sequences: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Longest common start of the token id lists, and what is left of each (possibly nothing)."""
    if not sequences:
        return [], []
    shortest = min(len(sequence) for sequence in sequences)
    first = sequences[0]
    length = next((t for t in range(shortest) if any(other[t] != first[t] for other in sequences)), shortest)
    return list(first[:length]), [list(sequence[length:]) for sequence in sequences]


def share_prefix(prefixes: Sequence[Prefix]) -> tuple[Prefix, list[list[int]]]:
    """Several prompts about one image as one Prefix (image and common text) and a branch each, the rest of
    its prompt.

    Raises ValueError when the images differ, or when the common start does not hold the whole image.
    """
    first = prefixes[0]
    if any(prefix.image_key != first.image_key for prefix in prefixes):
        raise ValueError("share_prefix: the prompts are about different images")
    common, branches = split_on_prefix([prefix.input_ids.tolist() for prefix in prefixes])
    if len(common) <= first.image_end:
        raise ValueError("share_prefix: the prompts differ before the end of the image")
    return replace(first, input_ids=first.input_ids[: len(common)]), branches
