"""select_pairs: hard preference pairs by the M3P-Score, or the user's own; sorted into the stages of a curriculum.
No model, no randomness.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.candidates.pools import by_prompt
from groundtune.preferences.curriculum import assign_stages, check_undefined
from groundtune.preferences.m3p import Choice, choose, dispreferred_score, preferred_score, scale_confidence
from groundtune.progress import say
from groundtune.settings import SelectionSettings

STAGE = "select_pairs"
REASONS = {
    "unfinished": "fewer than two answers ended before max_new_tokens",
    "single_candidate": "the pool holds a single distinct answer",
    "gap_below_margin": "no answer is worse than the preferred one by the margin",
    "below_keep_fraction": "easier than the kept share of prompts",
    "no_preference": "the prompt brings no `chosen` and `rejected` answer, or one of them was rejected before",
    "entropy_undefined": "fewer than two answers were sampled: the curriculum cannot place it",
}
GIVEN = ("#chosen", "#rejected")  # endings of the candidate ids of a user's own preference


def run(scores: str | Path, out: str | Path, settings: SelectionSettings | Mapping[str, Any]) -> Artifact:
    """Pairs of every pool, or a counted reason why there is none."""
    settings = SelectionSettings.of(settings, STAGE)
    source = read_artifact(scores, "scores")
    pools = by_prompt(source.rows())
    parents = {"scores": source.digest}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "pairs", settings.to_mapping(), parents)
        rows, rejected = select(pools, settings)
        writer.write_part(0, rows, rejected)
        artifact = writer.finish(
            len(pools),
            unit="prompt_id",
            results=lambda made: {"prompts": len(pools), "pairs": len(made), **_means(made)},
        )
        reasons = artifact.manifest["rejected_reasons"]
        dropped = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons.items())
        say(
            STAGE,
            f"{len(pools):,} prompts -> {len(artifact):,} pairs (dropped: {dropped or 'none'})",
        )
        log.metrics({**artifact.results, **{f"dropped.{name}": count for name, count in reasons.items()}})
        log.tag("output.digest", artifact.digest)
        return artifact


def select(pools: dict[str, list[Row]], settings: SelectionSettings) -> tuple[list[Row], list[Row]]:
    """(pairs, dropped prompts). Independent of the order of prompts and of candidates; pairs come sorted by prompt."""
    found: dict[str, list[tuple[Choice, list[Row]]]] = {}
    dropped: list[Row] = []
    for prompt_id in sorted(pools):
        choices, pool, reason = _PAIRING[settings.source](pools[prompt_id], settings)
        if choices:
            found[prompt_id] = [(choice, pool) for choice in choices]
        else:
            dropped.append(_drop(prompt_id, reason))
    if settings.curriculum_stages > 1:
        undefined = [prompt_id for prompt_id, pairs in found.items() if pairs[0][1][0]["pool_entropy"] is None]
        check_undefined(undefined, len(found), settings.max_undefined_entropy)
        dropped += [_drop(prompt_id, "entropy_undefined") for prompt_id in undefined]
        found = {prompt_id: pairs for prompt_id, pairs in found.items() if prompt_id not in set(undefined)}
    kept = _hardest(found, settings)
    dropped += [_drop(prompt_id, "below_keep_fraction") for prompt_id in sorted(set(found) - set(kept))]
    rows = [
        _pair(prompt_id, number, choice, pool)
        for prompt_id in sorted(kept)
        for number, (choice, pool) in enumerate(kept[prompt_id])
    ]
    return assign_stages(rows, settings.curriculum_stages), sorted(dropped, key=lambda row: str(row["id"]))


def _sampled(rows: list[Row], settings: SelectionSettings) -> tuple[list[Choice], list[Row], str]:
    """Pairs of the pool of sampled answers by the M3P-Score, that pool, and the reason when there is none."""
    sampled = [row for row in rows if row["multiplicity"]]
    pool = [row for row in sampled if row["finished"] or not settings.require_finished]
    choices = _choose(pool, settings) if len(pool) > 1 else []
    reason = "gap_below_margin" if len(pool) > 1 else "unfinished" if len(sampled) > 1 else "single_candidate"
    return choices, pool, reason


def _given(rows: list[Row], settings: SelectionSettings) -> tuple[list[Choice], list[Row], str]:
    """The pair that the user gave; its scores are computed like any other's, to be looked at."""
    pool = [row for ending in GIVEN for row in rows if row["candidate_id"] == row["prompt_id"] + ending]
    if len(pool) < 2:
        return [], pool, "no_preference"
    mas = np.array([row["mas"] for row in pool], dtype=np.float64)
    scaled = scale_confidence(np.array([row["confidence"] for row in pool]), settings.confidence_scale)
    gap = float(mas[0] - mas[1])
    plus, minus = preferred_score(mas, scaled, settings.lambda_), dispreferred_score(mas, scaled, settings.mu)
    choice = Choice(0, 1, float(plus[0]), float(minus[1]), gap, gap + settings.mu * float(scaled[1]))
    return [choice], pool, ""


_PAIRING = {"m3p": _sampled, "given": _given}


def _choose(pool: list[Row], settings: SelectionSettings) -> list[Choice]:
    confidence = np.array([row["confidence"] for row in pool], dtype=np.float64)
    return choose(
        np.array([row["mas"] for row in pool], dtype=np.float64),
        scale_confidence(confidence, settings.confidence_scale),
        [row["candidate_id"] for row in pool],
        lambda_=settings.lambda_,
        mu=settings.mu,
        margin=settings.margin,
        pairs=settings.pairs_per_prompt,
    )


def _hardest(
    found: dict[str, list[tuple[Choice, list[Row]]]], settings: SelectionSettings
) -> dict[str, list[tuple[Choice, list[Row]]]]:
    """The best share of prompts, ranked by the hardness of their first pair; then at most max_pairs pairs."""
    ranking = sorted(found, key=lambda prompt_id: (-found[prompt_id][0][0].hardness, prompt_id))
    ranking = ranking[: math.ceil(settings.keep_fraction * len(ranking))]
    if not settings.max_pairs:
        return {prompt_id: found[prompt_id] for prompt_id in ranking}
    kept: dict[str, list[tuple[Choice, list[Row]]]] = {}
    room = settings.max_pairs
    for prompt_id in ranking:
        if room <= 0:
            break
        kept[prompt_id] = found[prompt_id][:room]
        room -= len(kept[prompt_id])
    return kept


def _pair(prompt_id: str, number: int, choice: Choice, pool: list[Row]) -> Row:
    chosen, rejected = pool[choice.chosen], pool[choice.rejected]
    return {
        "pair_id": f"{prompt_id}/{number}",
        "prompt_id": prompt_id,
        "chosen_id": chosen["candidate_id"],
        "rejected_id": rejected["candidate_id"],
        "chosen": chosen["text"],
        "rejected": rejected["text"],
        "chosen_tokens": chosen["token_ids"],
        "rejected_tokens": rejected["token_ids"],
        "chosen_mas": chosen["mas"],
        "rejected_mas": rejected["mas"],
        "chosen_confidence": chosen["confidence"],
        "rejected_confidence": rejected["confidence"],
        "chosen_m3p": choice.chosen_m3p,
        "rejected_m3p": choice.rejected_m3p,
        "hardness": choice.hardness,
        "pool_entropy": chosen["pool_entropy"],
        "worst_sentence": rejected["worst_sentence"],
        "curriculum_stage": 1,
        "weight": 1.0,
    }


def _drop(prompt_id: str, reason: str) -> Row:
    return reject(prompt_id, reason, f'id="{prompt_id}": {REASONS[reason]}')


def _means(pairs: Artifact) -> dict[str, float]:
    rows = list(pairs.rows())
    if not rows:
        return {}
    return {
        "mean_gap": sum(row["chosen_mas"] - row["rejected_mas"] for row in rows) / len(rows),
        "mean_rejected_confidence": sum(row["rejected_confidence"] for row in rows) / len(rows),
        "mean_chosen_confidence": sum(row["chosen_confidence"] for row in rows) / len(rows),
    }
