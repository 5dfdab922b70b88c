"""The reference log-probs of DPO, taken from the confidence pass and its twin under corrupted images: computed once,
checked before use.

The cache is only valid for the model that training starts from; it says which part differs when it is not.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from groundtune.artifacts import Artifact, Row
from groundtune.candidates.confidence import reference_key
from groundtune.errors import ArtifactError
from groundtune.vlm.loader import Vlm

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.15, torch.float16: 0.05}  # nats a token, largest difference


@dataclass(frozen=True)
class Reference:
    """id (of a candidate, or of a pair under its corrupted image) -> float32 [T] token log-probs, nats."""

    place: Path
    rows: dict[str, Row]

    def __getitem__(self, identity: str) -> Tensor:
        row = self.rows.get(identity)
        if row is None:
            raise ArtifactError(f'reference: no log-probs of "{identity}" in {self.place}')
        return torch.tensor(row["token_logprobs"], dtype=torch.float32)


def read_reference(shards: list[Artifact], id_column: str, wanted: set[str], vlm: Vlm) -> Reference:
    """The log-probs of `wanted` ids. shards: of kind confidence or image_reference. Raises ArtifactError when they are
    of another model, adapter or dtype, or when some are missing: a stale reference trains towards the wrong model
    without a sign."""
    place, stage = shards[0].path, {"confidence": "score_confidence", "image_reference": "score_corrupted"}
    rows = {row[id_column]: row for shard in shards for row in shard.rows() if row[id_column] in wanted}
    expected = reference_key(vlm.digest, vlm.adapter_digest, str(vlm.dtype))
    if any(row["reference_key"] != expected for row in rows.values()):
        parents = shards[0].manifest["parents"]
        current = {"model": vlm.digest, "adapter": vlm.adapter_digest}
        different = [name for name, digest in current.items() if parents[name] != digest] or ["dtype"]
        raise ArtifactError(
            f"{place}: the reference log-probs are of another {' and '.join(different)} than training starts "
            f"from; run {stage[shards[0].kind]} with this model"
        )
    missing = wanted - rows.keys()
    if missing:
        raise ArtifactError(f"{place}: no reference log-probs for {len(missing)} answers, e.g. {min(missing)!r}")
    return Reference(place, rows)


def check_sample(recomputed: list[Tensor], cached: list[Tensor], names: list[str], dtype: torch.dtype) -> float:
    """Largest difference in nats a token between a recomputed sample and the cache; ArtifactError beyond tolerance."""
    worst = 0.0
    for new, old, name in zip(recomputed, cached, names, strict=True):
        if new.shape != old.shape:
            raise ArtifactError(f'reference of "{name}": {old.numel()} cached tokens, the answer has {new.numel()}')
        difference = float((new.cpu().float() - old).abs().max())
        if not difference <= TOLERANCE[dtype]:
            raise ArtifactError(
                f'reference of "{name}": cached and recomputed log-probs differ by {difference:.2g} nats, '
                f"the tolerance for {dtype} is {TOLERANCE[dtype]}"
            )
        worst = max(worst, difference)
    return worst
