"""The reward of preference pairs, split into its text side and its image side (MFPO)."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from groundtune.artifact_writing import reject
from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.modality_probe.asking import Probed, blank_row
from groundtune.benchmarks.modality_probe.views import destroyed
from groundtune.errors import ArtifactError, RecordError
from groundtune.vlm.branches import branch_logprobs
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_prefix


@dataclass(frozen=True)
class ProbedPair:
    """A pair with its prompt and the token ids of its answers."""

    pair_id: str
    prompt: Row
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True)
class BranchSums:
    """Summed log-probs of a pair's four branches under one model, nats: y_w and y_l given the image m and given m'."""

    chosen: float
    rejected: float
    chosen_destroyed: float
    rejected_destroyed: float

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, (self.chosen, self.rejected, self.chosen_destroyed, self.rejected_destroyed)))


def join_pairs(pairs: Sequence[Row], prompts: Artifact) -> list[ProbedPair]:
    """Pairs with their prompts. Raises ArtifactError when a prompt is not in the artifact."""
    known = {row["id"]: row for row in prompts.rows()}
    if strange := {pair["prompt_id"] for pair in pairs} - known.keys():
        raise ArtifactError(f"{prompts.path}: prompt {min(strange)!r} of the pairs is not in the prompts artifact")
    return [
        ProbedPair(pair["pair_id"], known[pair["prompt_id"]], pair["chosen_tokens"], pair["rejected_tokens"])
        for pair in pairs
    ]


def weigh_pairs(probed: Probed, pairs: Sequence[ProbedPair]) -> tuple[list[Row], list[Row]]:
    """(rows, rejected rows). With an adapter the reference is the same model without it; without one the model is its
    own reference and the rewards are null. Image dependence is of the model itself, nats a token."""
    kept: list[ProbedPair] = []
    rejected: list[Row] = []
    true: list[Prefix] = []
    noise: list[Prefix] = []
    for pair in pairs:
        prompt = pair.prompt
        try:
            image = probed.pair_images.open(prompt["id"], prompt["image"], prompt["image_sha256"])
            views = (image, destroyed(image, probed.settings))
            encoded = [encode_prefix(probed.vlm, prompt["id"], prompt["instruction"], view) for view in views]
        except RecordError as error:
            rejected.append(reject(pair.pair_id, error.field, str(error)))
            continue
        kept.append(pair)
        true.append(encoded[0])
        noise.append(encoded[1])
    policy = _sums(probed.vlm, kept, true, noise)
    adapted = bool(probed.vlm.adapter_digest)
    reference = _sums(probed.vlm, kept, true, noise, reference=True) if adapted else [None] * len(kept)
    rows = []
    for pair, own, before in zip(kept, policy, reference, strict=True):
        if not own.finite or (before is not None and not before.finite):
            problem = RecordError(pair.pair_id, "log-probs", "of the pair's answers are not finite")
            rejected.append(reject(pair.pair_id, "not_finite", str(problem)))
            continue
        rewards: Row = {}
        if before is not None:
            rewards = {"text_reward": text_reward(own, before), "image_reward": image_reward(own, before)}
        rows.append(
            {
                **blank_row("pair", pair.pair_id, pair.prompt["image"], pair.prompt["instruction"]),
                **rewards,
                "image_dependence": (own.chosen - own.chosen_destroyed) / len(pair.chosen),
                "image_dependence_rejected": (own.rejected - own.rejected_destroyed) / len(pair.rejected),
            }
        )
    return rows, rejected


def text_reward(own: BranchSums, reference: BranchSums) -> float:
    """[log pi(y_w|m) - ref] - [log pi(y_l|m) - ref], nats, without beta: what MFPO's L_text asks to grow."""
    return (own.chosen - reference.chosen) - (own.rejected - reference.rejected)


def image_reward(own: BranchSums, reference: BranchSums) -> float:
    """[log pi(y_w|m) - ref] - [log pi(y_w|m') - ref], nats, without beta: what MFPO's L_image asks to grow."""
    return (own.chosen - reference.chosen) - (own.chosen_destroyed - reference.chosen_destroyed)


def _sums(
    vlm: Vlm, pairs: Sequence[ProbedPair], true: list[Prefix], noise: list[Prefix], *, reference: bool = False
) -> list[BranchSums]:
    branches = [[pair.chosen, pair.rejected] for pair in pairs]
    with vlm.model.disable_adapter() if reference else nullcontext():
        rows = branch_logprobs(vlm, [*true, *noise], [*branches, *branches])
    sums = [[float(values.double().sum()) for values in row] for row in rows]
    return [BranchSums(*under, *behind) for under, behind in zip(sums[: len(pairs)], sums[len(pairs) :], strict=True)]
