"""measure_drift: the distributions of MAS and confidence of a round, held against the first round's.

MAS itself is calibrated over a run and always distributed alike; so its parts are taken, each scorer's raw mean over an
answer's sentences. Where the policy is the champion its confidence moves with every promotion: that is told as well.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifacts import Artifact
from groundtune.candidates.combine import joined_digest, read_shards
from groundtune.progress import say
from groundtune.rounds.drift import Distribution, drift
from groundtune.rounds.intake import DONE, Rounds
from groundtune.settings import RoundsSettings
from groundtune.tracking.ledger import noted

STAGE = "measure_drift"
CONFIDENCE, MAS = "confidence", "MAS"
WARNINGS = "warnings"
_FILE = "distributions.json"


@noted(STAGE)
def run(
    alignment: Sequence[str | Path],
    confidence: Sequence[str | Path],
    rounds: str,
    place: str,
    summary: str | Path,
    settings: RoundsSettings | Mapping[str, Any],
) -> dict[str, Any]:
    """{"MAS contrastive": {"psi", "ks"}, "confidence": {...}, "warnings": [...]}; {"warnings": []} in the first round,
    and without what the first round did not measure. alignment, confidence: all shards of the round.

    The distributions stay in the round's folder, `place`; the first round is the first below `rounds` that was done.
    """
    settings = RoundsSettings.of(settings, "rounds")
    scored, believed = read_shards(alignment, "alignment"), read_shards(confidence, "confidence")
    now = _distributions(scored, believed)
    _keep(now, place)
    first = _first(rounds)
    inputs = {"alignment": joined_digest(scored), "confidence": joined_digest(believed)}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=inputs) as log:
        sizes = {name: drift(first[name], now[name]) for name in now if name in first}
        found: dict[str, Any] = {name: {"psi": one.psi, "ks": one.ks} for name, one in sizes.items()}
        warnings = [
            f"{name} is distributed otherwise than in the first round: PSI {one.psi:.2f}, KS {one.ks:.2f}"
            for name, one in sizes.items()
            if one.psi >= settings.drift_psi or one.ks >= settings.drift_ks
        ]
        log.metrics(found)
        log.tag("groundtune.drift", "; ".join(warnings) or "none")
        for line in warnings or [_said(found)]:
            say(STAGE, line)
        Path(summary).write_text(_markdown(found, warnings), encoding="utf-8")
        return {**found, WARNINGS: warnings}


def _distributions(alignment: Sequence[Artifact], confidence: Sequence[Artifact]) -> dict[str, Distribution]:
    values: dict[str, list[float | None]] = {}
    for shard in alignment:
        for batch in shard.batches(["scorer", "raw_mean"]):
            for scorer, value in zip(batch["scorer"].to_pylist(), batch["raw_mean"].to_pylist(), strict=True):
                values.setdefault(f"{MAS} {scorer}", []).append(value)
    for shard in confidence:
        for batch in shard.batches([CONFIDENCE]):
            values.setdefault(CONFIDENCE, []).extend(batch[CONFIDENCE].to_pylist())
    return {name: Distribution.of(found) for name, found in sorted(values.items())}


def _keep(now: Mapping[str, Distribution], place: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / _FILE
        file.write_text(json.dumps({name: one.as_dict() for name, one in now.items()}))
        storage.publish_file(file, storage.join(place, _FILE))


def _first(rounds: str) -> dict[str, Distribution]:
    kept = Rounds(rounds)
    for number in kept.numbers():
        file = storage.join(kept.place(number), _FILE)
        if kept.notes(number)["state"] == DONE and storage.exists(file):
            content = json.loads(storage.read_bytes(file))
            return {name: Distribution.from_mapping(one) for name, one in content.items()}
    return {}


def _said(found: Mapping[str, Mapping[str, float]]) -> str:
    told = [f"{name} PSI {one['psi']:.2f}, KS {one['ks']:.2f}" for name, one in found.items()]
    return "against the first round: " + "; ".join(told) if told else "this is the first round"


def _markdown(found: Mapping[str, Mapping[str, float]], warnings: list[str]) -> str:
    if not found:
        return "The first round: later ones are held against its distributions.\n"
    lines = ["| | PSI | KS |", "| --- | --- | --- |"]
    lines += [f"| {name} | {one['psi']:.3f} | {one['ks']:.3f} |" for name, one in found.items()]
    return "\n".join([*(f"**{line}**\n" for line in warnings), *lines]) + "\n"
