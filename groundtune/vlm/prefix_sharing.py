"""Find what several prompts about one image have in common, so that it is read once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from groundtune.vlm.prompt import Prefix


@dataclass(frozen=True)
class SharedPrefix:
    """Prompts about one image. head: the image and all text that they begin with. branches: what is left of each
    (token ids, possibly none). members: where each stands among the prompts given."""

    head: Prefix
    branches: list[list[int]]
    members: list[int]


def split_on_prefix(sequences: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Longest common start of the token id lists, and what is left of each (possibly nothing)."""
    if not sequences:
        return [], []
    shortest = min(len(sequence) for sequence in sequences)
    first = sequences[0]
    length = next((t for t in range(shortest) if any(other[t] != first[t] for other in sequences)), shortest)
    return list(first[:length]), [list(sequence[length:]) for sequence in sequences]


def shared_prefixes(prefixes: Sequence[Prefix], least: int = 0) -> list[SharedPrefix]:
    """The prompts, those about one image together, in the order of first appearance.

    least: tokens that every branch keeps for itself. Prompts that differ before the end of their image, or have no
    token to spare, stand alone with an empty (or `least` long) branch.
    """
    of_image: dict[str, list[int]] = {}
    for member, prefix in enumerate(prefixes):
        of_image.setdefault(prefix.image_key, []).append(member)
    shared = []
    for members in of_image.values():
        ids = [prefixes[member].input_ids.tolist() for member in members]
        first = prefixes[members[0]]
        length = min(len(split_on_prefix(ids)[0]), min(map(len, ids)) - least)
        groups = [members] if length > first.image_end else [[member] for member in members]
        for group in groups:
            cut = length if len(groups) == 1 else len(prefixes[group[0]]) - least
            own = prefixes[group[0]]
            branches = [prefixes[member].input_ids[cut:].tolist() for member in group]
            shared.append(SharedPrefix(replace(own, input_ids=own.input_ids[:cut]), branches, group))
    return shared
