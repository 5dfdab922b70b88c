"""make_pool: the pool of one seed, by the stages that a single run has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.candidates import combine, confidence, sampling
from groundtune.candidates.alignment_score import stage as alignment
from groundtune.settings import SamplingSettings
from groundtune.tracking.ledger import noted

STAGE = "make_pool"


def run(
    prompts: str | Path,
    images_root: str,
    model: str,
    scorers: Mapping[str, str],
    out: Mapping[str, str | Path],
    sampled: Mapping[str, Any],
    aligned: Mapping[str, Any],
    believed: Mapping[str, Any],
) -> Artifact:
    """Sample, score, ask for the belief, combine; whole artifacts, and the last of them is returned.

    out: where `candidates`, `alignment`, `confidence` and `scores` go. sampled, aligned, believed: the sections
    sampling, alignment and confidence. A killed task goes on from the parts below the state root.
    """
    seed = SamplingSettings.of(sampled, "sampling").seed
    with noted(f"{STAGE} {seed}", fixed=True):
        sampling.run(prompts, images_root, model, out["candidates"], sampled)
        alignment.run(prompts, out["candidates"], images_root, dict(scorers), out["alignment"], aligned)
        confidence.run(prompts, out["candidates"], images_root, model, out["confidence"], believed)
        return combine.run([out["candidates"]], [out["alignment"]], [out["confidence"]], out["scores"], aligned)
