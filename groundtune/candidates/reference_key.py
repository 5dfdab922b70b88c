"""What determines a reference log-prob, part by part: so that a stale one is refused by the name of what changed.

The parts of the pass (model, adapter, processor, tokenizer, chat template, dtype, aggregation) hold for all of its rows
and stand in the manifest. The parts of a row (data: instruction and answer; images: the picture's sha256) are the row's
own, so a key holds however the pass was sharded, and for pairs that are only some of the candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundtune.artifacts import Artifact, Row
from groundtune.digests import digest_of
from groundtune.vlm.loader import Vlm

AGGREGATION = "token"  # how log-probs are kept: one number a token, nothing summed


@dataclass(frozen=True)
class Answer:
    """What a row's log-probs are of: an instruction's answer (token ids) about an image."""

    instruction: str
    token_ids: Sequence[int]
    image_sha256: str


def pass_parts(vlm: Vlm) -> dict[str, str]:
    """Name to digest (or name) of what all log-probs under this model depend on."""
    return {
        **vlm.parts,
        "adapter": vlm.adapter_digest,
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "aggregation": AGGREGATION,
    }


def kept_parts(parts: Mapping[str, str]) -> dict[str, Any]:
    """`extra` of the manifest of a pass, where parts_of_pass finds them again."""
    return {"reference": dict(parts)}


def parts_of_pass(artifact: Artifact) -> dict[str, str]:
    """The parts under which an artifact of kind confidence or image_reference was made."""
    return dict(artifact.manifest["extra"]["reference"])


def reference_key(parts: Mapping[str, str], answer: Answer) -> str:
    """sha256 (hex) of all the parts of one row."""
    data = digest_of([answer.instruction, list(answer.token_ids)])
    return digest_of({**parts, "data": data, "images": answer.image_sha256})


def changed_parts(row: Row, kept: Mapping[str, str], parts: Mapping[str, str], answer: Answer) -> list[str]:
    """Names of the parts in which a row, made under `kept`, differs from what is wanted: none when it may be used."""
    if row["reference_key"] == reference_key(parts, answer):
        return []
    names = sorted(name for name in {*kept, *parts} if kept.get(name) != parts.get(name))
    then = Answer(answer.instruction, answer.token_ids, row["image_sha256"])
    if row["reference_key"] != reference_key(kept, then):  # the only part that the row does not tell
        names.append("data")
    if row["image_sha256"] != answer.image_sha256:
        names.append("images")
    return names
