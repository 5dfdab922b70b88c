"""The reference log-probs of DPO, taken from the confidence pass and its twin under corrupted images: computed once,
checked before use.

A row is used only when everything that determined it is what training starts from; a refusal says which part differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from groundtune.artifacts import Artifact, Row, plain_rows
from groundtune.candidates.reference_key import Answer, changed_parts, parts_of_pass
from groundtune.errors import ArtifactError

STAGES = {"confidence": "score_confidence", "image_reference": "score_corrupted"}  # what makes each kind
REMEDIES = {
    "dtype": "on the kind of device that trains, whose dtype follows from it",
    "data": "on these prompts and answers, or train on the pairs that were selected from it",
    "images": "on the images as they are now",
}


@dataclass(frozen=True)
class Reference:
    """id (of a candidate, or of a pair under its corrupted image) -> float32 [T] token log-probs, nats."""

    place: Path
    logprobs: dict[str, Tensor]

    def __getitem__(self, identity: str) -> Tensor:
        found = self.logprobs.get(identity)
        if found is None:
            raise ArtifactError(f'reference: no log-probs of "{identity}" in {self.place}')
        return found


def read_reference(
    shards: Sequence[Artifact], id_column: str, wanted: Mapping[str, Answer], parts: Mapping[str, str]
) -> Reference:
    """The log-probs of the wanted ids. shards: of kind confidence or image_reference. parts: of the model that training
    starts from, reference_key.pass_parts.

    Raises ArtifactError, which names the record, when some are missing, doubled or cut off, and, with the parts
    that differ, when they were made of anything else: a stale reference trains towards the wrong model without a
    sign.
    """
    for shard in shards:
        kept = parts_of_pass(shard)
        changed = sorted(name for name in {*kept, *parts} if kept.get(name) != parts.get(name))
        if changed:
            raise ArtifactError(_stale(shard, changed, kept, parts))
    found: dict[str, Tensor] = {}
    stale: dict[str, list[str]] = {}
    of_stale = shards[0]
    for shard in shards:
        kept = parts_of_pass(shard)
        for row in _rows(shard, id_column, wanted):
            identity = row[id_column]
            if identity in found:
                raise ArtifactError(f'{shard.path}: the log-probs of "{identity}" are there twice')
            answer = wanted[identity]
            changed = changed_parts(row, kept, parts, answer)
            of_stale = shard if changed and not stale else of_stale
            for part in changed:
                stale.setdefault(part, []).append(identity)
            found[identity] = torch.empty(0) if changed else _checked(shard, identity, row, answer)
    if stale:
        raise ArtifactError(_stale_rows(of_stale, stale))
    missing = wanted.keys() - found.keys()
    if missing:
        raise ArtifactError(_missing(shards, missing))
    return Reference(shards[0].path, found)


def _rows(shard: Artifact, id_column: str, wanted: Mapping[str, Answer]) -> Iterator[Row]:
    """The rows of the wanted ids; the log-probs of the others, most of a large run, are never taken apart."""
    for batch in shard.batches([id_column, "token_logprobs", "image_sha256", "reference_key"]):
        places = [i for i, identity in enumerate(batch[id_column].to_pylist()) if identity in wanted]
        yield from plain_rows(batch.take(pa.array(places, pa.int64())))  # a type even when there is none


def _checked(shard: Artifact, identity: str, row: Row, answer: Answer) -> Tensor:
    values = torch.tensor(row["token_logprobs"], dtype=torch.float32)
    if len(values) != len(answer.token_ids):
        raise ArtifactError(
            f'{shard.path}: "{identity}" has log-probs of {len(values)} tokens, the answer has '
            f"{len(answer.token_ids)}; run {STAGES[shard.kind]} again"
        )
    return values


def _stale(shard: Artifact, changed: list[str], kept: Mapping[str, str], parts: Mapping[str, str]) -> str:
    seen = "; ".join(f"{name} {_short(kept, name)}, now {_short(parts, name)}" for name in changed)
    remedy = REMEDIES["dtype"] if changed == ["dtype"] else "with this model"
    return (
        f"{shard.path}: the reference log-probs are of another {_listed(changed)} than training starts from; "
        f"run {STAGES[shard.kind]} {remedy} ({seen})"
    )


def _short(parts: Mapping[str, str], name: str) -> str:
    return parts.get(name, "")[:12] or "none"


def _stale_rows(shard: Artifact, stale: Mapping[str, list[str]]) -> str:
    told = ", ".join(f'{part} of {len(ids):,} rows, e.g. "{min(ids)}"' for part, ids in sorted(stale.items()))
    remedy = " and ".join(REMEDIES[part] for part in sorted(stale))
    return (
        f"{shard.path}: the reference log-probs are of other {_listed(sorted(stale))} than training has ({told}); "
        f"run {STAGES[shard.kind]} {remedy}"
    )


def _missing(shards: Sequence[Artifact], missing: set[str]) -> str:
    example = min(missing)
    reasons = {row["id"]: row["detail"] for shard in shards for row in shard.rejected()}
    why = f" ({reasons[example]})" if example in reasons else ""
    return f"{shards[0].path}: no reference log-probs for {len(missing):,} answers, e.g. {example!r}{why}"


def _listed(names: list[str]) -> str:
    return " and ".join(name.replace("_", " ") for name in names)
