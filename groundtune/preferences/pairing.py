"""Which two answers of each pool make a pair, which pairs are kept, and why a prompt has none. By numbers alone."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundtune.candidates.held_out import held_out
from groundtune.preferences.curriculum import check_undefined, stages_of
from groundtune.preferences.m3p import (
    Floats,
    Indices,
    agreed,
    choose,
    dispreferred_score,
    preferred_score,
    scale_confidence,
)
from groundtune.preferences.random_pairs import draw
from groundtune.preferences.score_columns import ScoreColumns
from groundtune.settings import SelectionSettings

REASONS = {
    "unfinished": "fewer than two answers ended before max_new_tokens",
    "single_candidate": "the pool holds a single distinct answer",
    "gap_below_margin": "no answer is worse than the preferred one by the margin and, where asked, for enough scorers",
    "below_keep_fraction": "easier than the kept share of prompts, or left over where pairs are random",
    "held_out": "set aside for the reward model",
    "no_preference": "the prompt brings no `chosen` and `rejected` answer, or one of them was rejected before",
    "entropy_undefined": "fewer than two answers were sampled: the curriculum cannot place it",
}
_CODES = {reason: code for code, reason in enumerate(REASONS)}
_COMPARISONS = 1 << 22  # answers of one pool with each other, at a time: bounds memory where pools are large


@dataclass(frozen=True)
class Pairs:
    """Pairs sorted by prompt and, of one prompt, hardest first. All [N].

    prompt: index into ScoreColumns.prompts. chosen, rejected: indices into ScoreColumns.
    """

    prompt: Indices
    rank: Indices  # 0 is the hardest pair of its prompt
    chosen: Indices
    rejected: Indices
    chosen_m3p: Floats
    rejected_m3p: Floats
    hardness: Floats

    def __len__(self) -> int:
        return len(self.prompt)

    def where(self, kept: NDArray[np.bool_] | Indices) -> "Pairs":
        """Those that a mask or their numbers name."""
        return Pairs(**{name: values[kept] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Selected:
    """pair_ids, stages: of each pair. dropped: sorted ids of prompts without one. reasons: a key of REASONS each."""

    pairs: Pairs
    pair_ids: pa.Array
    stages: NDArray[np.int64]
    dropped: pa.Array
    reasons: pa.Array


def select(scores: ScoreColumns, settings: SelectionSettings) -> Selected:
    """Every prompt has a pair or one reason why not. Independent of the order of prompts and of candidates."""
    found, reason = (_given if settings.source == "given" else _sampled)(scores, settings)
    if settings.held_out_share:
        aside = held_out(scores.prompts, settings.held_out_share, settings.seed)
        reason[aside] = _CODES["held_out"]
        found = found.where(~aside[found.prompt])
    if settings.curriculum_stages > 1:
        defined = ~np.isnan(scores.entropy[found.chosen])
        undefined = np.unique(found.prompt[~defined])
        names = scores.prompts.take(pa.array(undefined)).to_pylist()
        check_undefined(names, len(np.unique(found.prompt)), settings.max_undefined_entropy)
        reason[undefined] = _CODES["entropy_undefined"]
        found = found.where(defined)
    kept = found.where(_hardest(found, settings))
    reason[np.setdiff1d(found.prompt, kept.prompt)] = _CODES["below_keep_fraction"]
    paired = np.zeros(len(scores.prompts), dtype=bool)
    paired[kept.prompt] = True
    names = scores.prompts.take(pa.array(kept.prompt))
    pair_ids = pc.binary_join_element_wise(names, pa.array(kept.rank).cast(pa.string()), "/")
    return Selected(
        pairs=kept,
        pair_ids=pair_ids,
        stages=stages_of(scores.entropy[kept.chosen], pair_ids, settings.curriculum_stages),
        dropped=scores.prompts.filter(pa.array(~paired)),
        reasons=pa.array(list(REASONS)).take(pa.array(reason[~paired])),
    )


def _sampled(scores: ScoreColumns, settings: SelectionSettings) -> tuple[Pairs, Indices]:
    """Pairs of the sampled answers, by the M3P-Score or random; and for every prompt the reason that holds if it has
    none."""
    eligible = scores.sampled & (scores.finished | (not settings.require_finished))
    answers = np.flatnonzero(eligible)
    count = len(scores.prompts)
    sizes = np.bincount(scores.prompt[answers], minlength=count)
    sampled = np.bincount(scores.prompt[scores.sampled], minlength=count)
    without = np.where(sampled > 1, _CODES["unfinished"], _CODES["single_candidate"])
    starts = np.cumsum(sizes) - sizes
    made = []
    for size in np.unique(sizes[sizes > 1]).tolist():
        pools = np.flatnonzero(sizes == size)
        for part in np.array_split(pools, math.ceil(pools.size * size * size / _COMPARISONS)):
            made.append(_paired(scores, answers[starts[part][:, None] + np.arange(size)], part, settings))
    pairs = _joined(made)
    order = np.lexsort((pairs.rank, pairs.prompt))
    return pairs.where(order), np.where(sizes > 1, _CODES["gap_below_margin"], without)


def _paired(scores: ScoreColumns, pools: Indices, prompts: Indices, settings: SelectionSettings) -> Pairs:
    """pools: [P, K] indices into `scores`. prompts: [P]."""
    score = scores.score[pools]
    scaled = scale_confidence(scores.confidence[pools], settings.confidence_scale)
    votes = agreed(scores.scorers[:, pools], settings.agreement) if settings.agreement else None
    margin, pairs = settings.margin, settings.pairs_per_prompt
    if settings.source == "random":
        lots = np.random.default_rng([settings.seed, 1, int(prompts[0])])
        chosen = draw(score, scaled, lots, margin=margin, pairs=pairs, votes=votes)
    else:
        weights = {"lambda_": settings.lambda_, "mu": settings.mu}
        chosen = choose(score, scaled, **weights, margin=margin, pairs=pairs, votes=votes)
    return Pairs(
        prompt=prompts[chosen.pool],
        rank=chosen.rank,
        chosen=pools[chosen.pool, chosen.chosen],
        rejected=pools[chosen.pool, chosen.rejected],
        chosen_m3p=chosen.chosen_m3p,
        rejected_m3p=chosen.rejected_m3p,
        hardness=chosen.hardness,
    )


def _joined(parts: list[Pairs]) -> Pairs:
    none = np.empty(0, dtype=np.int64)
    empty = Pairs(none, none, none, none, none.astype(float), none.astype(float), none.astype(float))
    return Pairs(**{name: np.concatenate([getattr(part, name) for part in (empty, *parts)]) for name in vars(empty)})


def _given(scores: ScoreColumns, settings: SelectionSettings) -> tuple[Pairs, Indices]:
    """The pairs that the user gave; their scores are computed like any other's, to be looked at."""
    sides = np.full((len(scores.prompts), 2), -1, dtype=np.int64)
    for side in range(2):
        answers = np.flatnonzero(scores.given == side)
        sides[scores.prompt[answers], side] = answers
    prompts = np.flatnonzero((sides >= 0).all(1))
    pools = sides[prompts]
    score = scores.score[pools]
    scaled = scale_confidence(scores.confidence[pools], settings.confidence_scale)
    pairs = Pairs(
        prompt=prompts,
        rank=np.zeros_like(prompts),
        chosen=pools[:, 0],
        rejected=pools[:, 1],
        chosen_m3p=preferred_score(score, scaled, settings.lambda_)[:, 0],
        rejected_m3p=dispreferred_score(score, scaled, settings.mu)[:, 1],
        hardness=score[:, 0] - score[:, 1] + settings.mu * scaled[:, 1],
    )
    return pairs, np.full(len(scores.prompts), _CODES["no_preference"])


def _hardest(pairs: Pairs, settings: SelectionSettings) -> NDArray[np.bool_]:
    """Which pairs [N] are of the best share of prompts, ranked by the hardness of their first pair, random pairs in a
    random order; of these at most max_pairs pairs."""
    first = np.flatnonzero(pairs.rank == 0)
    counts = np.diff(np.append(first, len(pairs)))
    if settings.source == "random":
        ranking = np.random.default_rng([settings.seed, 2]).permutation(first.size)
    else:
        ranking = np.argsort(-pairs.hardness[first], kind="stable")
    ranking = ranking[: math.ceil(settings.keep_fraction * ranking.size)]
    room = counts[ranking]
    if settings.max_pairs:
        room = np.clip(settings.max_pairs - (np.cumsum(room) - room), 0, room)
    allowed = np.zeros_like(counts)
    allowed[ranking] = room
    return pairs.rank < np.repeat(allowed, counts)
