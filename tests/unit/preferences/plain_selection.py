"""Selection written plainly, a pool at a time and everything in memory: what select_pairs must equal, bit for bit."""

import math

import numpy as np

from groundtune.artifact_writing import reject
from groundtune.preferences.curriculum import check_undefined
from groundtune.preferences.pairing import REASONS


def select(pools, settings):
    """pools: prompt id -> rows of the scores artifact. Returns (rows of pairs, rows of dropped prompts)."""
    found, why = {}, {}
    for prompt_id, rows in pools.items():
        choices, why[prompt_id] = (_given if settings.source == "given" else _sampled)(rows, settings)
        if choices:
            found[prompt_id] = choices
    if settings.curriculum_stages > 1:
        undefined = sorted(p for p, choices in found.items() if choices[0]["chosen"]["pool_entropy"] is None)
        check_undefined(undefined, len(found), settings.max_undefined_entropy)
        for prompt_id in undefined:
            why[prompt_id] = "entropy_undefined"
            del found[prompt_id]
    kept = _hardest(found, settings)
    why |= dict.fromkeys(set(found) - set(kept), "below_keep_fraction")
    rows = [_pair(p, number, **choice) for p in sorted(kept) for number, choice in enumerate(kept[p])]
    dropped = [reject(p, why[p], f'id="{p}": {REASONS[why[p]]}') for p in sorted(set(pools) - set(kept))]
    return _staged(rows, settings.curriculum_stages), dropped


def _sampled(rows, settings):
    sampled = [row for row in rows if row["multiplicity"]]
    pool = [row for row in sampled if row["finished"] or not settings.require_finished]
    if len(pool) < 2:
        return [], "unfinished" if len(sampled) > 1 else "single_candidate"
    mas, scaled, plus, minus = _scores(pool, settings)
    names = [row["candidate_id"] for row in pool]
    best = min(range(len(pool)), key=lambda i: (-plus[i], names[i]))
    worse = [i for i in range(len(pool)) if i != best and mas[best] - mas[i] >= settings.margin]
    worse.sort(key=lambda i: (-minus[i], names[i]))
    return [
        {
            "chosen": pool[best],
            "rejected": pool[i],
            "m3p": (float(plus[best]), float(minus[i])),
            "hardness": float(mas[best] - mas[i] + settings.mu * scaled[i]),
        }
        for i in worse[: settings.pairs_per_prompt]
    ], "gap_below_margin"


def _given(rows, settings):
    named = {row["candidate_id"].removeprefix(row["prompt_id"]): row for row in rows}
    pool = [named[ending] for ending in ("#chosen", "#rejected") if ending in named]
    if len(pool) < 2:
        return [], "no_preference"
    mas, scaled, plus, minus = _scores(pool, settings)
    hardness = float(mas[0] - mas[1] + settings.mu * scaled[1])
    m3p = (float(plus[0]), float(minus[1]))
    return [{"chosen": pool[0], "rejected": pool[1], "m3p": m3p, "hardness": hardness}], ""


def _scores(pool, settings):
    mas, confidence = (np.array([row[name] for row in pool], dtype=np.float64) for name in ("mas", "confidence"))
    if settings.confidence_scale == "softmax":
        scaled = np.exp(confidence - confidence.max())
    else:
        below = (confidence[:, None] > confidence[None, :]).sum(1)
        equal = (confidence[:, None] == confidence[None, :]).sum(1)
        scaled = (below + (equal - 1) / 2 + 0.5) / confidence.size
    return mas, scaled, mas + settings.lambda_ * scaled, settings.mu * scaled - (1 - settings.mu) * mas


def _hardest(found, settings):
    ranking = sorted(found, key=lambda prompt_id: (-found[prompt_id][0]["hardness"], prompt_id))
    kept, room = {}, settings.max_pairs or math.inf
    for prompt_id in ranking[: math.ceil(settings.keep_fraction * len(ranking))]:
        if room > 0:
            kept[prompt_id] = found[prompt_id][: int(min(room, len(found[prompt_id])))]
            room -= len(kept[prompt_id])
    return kept


def _pair(prompt_id, number, chosen, rejected, m3p, hardness):
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
        "chosen_m3p": m3p[0],
        "rejected_m3p": m3p[1],
        "hardness": hardness,
        "pool_entropy": chosen["pool_entropy"],
        "worst_sentence": rejected["worst_sentence"],
        "curriculum_stage": 1,
        "weight": 1.0,
    }


def _staged(pairs, stages):
    if stages > 1:
        ranking = sorted(pairs, key=lambda pair: (pair["pool_entropy"], pair["pair_id"]))
        for rank, pair in enumerate(ranking):
            pair["curriculum_stage"] = 1 + rank * stages // len(pairs)
    return pairs
