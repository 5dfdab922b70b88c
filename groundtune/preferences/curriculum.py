"""Easy to hard: pairs in stages of equal size by the entropy of their prompt's pool (MFPO)."""

from groundtune.artifacts import Row
from groundtune.errors import TooManyRejected


def assign_stages(pairs: list[Row], stages: int) -> list[Row]:
    """The pairs in their order, each with `curriculum_stage` 1 (lowest entropy, easiest) to `stages`.

    MFPO cuts in thirds; a model that answers the same way every time finds a prompt easy. Ties go by pair id. Sizes
    differ by at most one. With one stage the entropy is not looked at.
    """
    if stages == 1:
        return [{**pair, "curriculum_stage": 1} for pair in pairs]
    ranking = sorted(range(len(pairs)), key=lambda i: (pairs[i]["pool_entropy"], pairs[i]["pair_id"]))
    stage = {i: 1 + rank * stages // len(pairs) for rank, i in enumerate(ranking)}
    return [{**pair, "curriculum_stage": stage[i]} for i, pair in enumerate(pairs)]


def check_undefined(undefined: list[str], pools: int, limit: float) -> None:
    """Raises TooManyRejected when more than `limit` of the pools with a pair have no entropy. undefined: prompt ids."""
    if undefined and len(undefined) > limit * pools:
        raise TooManyRejected(
            f'{len(undefined)} of {pools} pools have no entropy, e.g. id="{undefined[0]}": fewer than two answers were '
            f"sampled. The limit is {limit:.1%} (selection.max_undefined_entropy); raise sampling.num_candidates to at "
            "least 2, or set selection.curriculum_stages to 1"
        )
