"""MAS written plainly, an answer at a time and everything in memory: what combine_scores must equal, bit for bit."""

import numpy as np

from groundtune.artifact_writing import reject
from groundtune.candidates.alignment_score.calibration import calibrate


def combine(answers, raw, beliefs, settings):
    """answers, raw, beliefs: rows of candidates, alignment and confidence. Returns (rows of scores, rejected rows)."""
    weights = {name: weight for name, weight in settings.scorer_weights.items() if weight > 0}
    calibrated = {}
    for name in weights:
        rows = [row for row in raw if row["scorer"] == name]
        flat = np.array([score for row in rows for score in row["sentence_scores"]], dtype=np.float64)
        values = iter(calibrate(name, flat, settings.calibration).tolist())
        calibrated[name] = {
            row["candidate_id"]: (row["sentences"], [next(values) for _ in row["sentence_scores"]]) for row in rows
        }
    believed = {row["candidate_id"]: row for row in beliefs}
    kept, rejected = [], []
    for answer in answers:
        identity = answer["candidate_id"]
        missing = [name for name in weights if identity not in calibrated[name]]
        if missing:
            detail = f'id="{identity}": no {", ".join(missing)} score (see the rejected rows of score_alignment)'
            rejected.append(reject(identity, "no_alignment", detail))
        elif identity not in believed:
            detail = f'id="{identity}": no confidence (see the rejected rows of score_confidence)'
            rejected.append(reject(identity, "no_confidence", detail))
        else:
            scored = {name: calibrated[name][identity] for name in weights}
            kept.append(_row(answer, scored, weights, believed[identity], settings.sentence_min_weight))
    return kept, rejected


def _row(answer, scored, weights, belief, min_weight):
    total = sum(weights.values())
    scorers = {
        name: (1 - min_weight) * float(np.mean(values)) + min_weight * min(values)
        for name, (_, values) in scored.items()
    }
    sentences = next(iter(scored.values()))[0]
    per_sentence = [
        sum(weights[name] * values[i] for name, (_, values) in scored.items()) / total for i in range(len(sentences))
    ]
    return {
        **{name: value for name, value in answer.items() if name != "engine"},
        "mas": sum(weights[name] * value for name, value in scorers.items()) / total,
        "scorers": scorers,
        "worst_sentence": sentences[int(np.argmin(per_sentence))],
        "confidence": belief["confidence"],
        "pool_entropy": belief["pool_entropy"],
    }
