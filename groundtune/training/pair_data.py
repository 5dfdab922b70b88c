"""Training examples: a pair with its prompt, token ids and reference log-probs, in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from groundtune.artifacts import Row, read_artifact
from groundtune.candidates.combine import read_shards
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.training.reference import Reference, read_reference
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_prefix


@dataclass(frozen=True)
class PairExample:
    """One pair ready for the model. Token ids are lists; reference log-probs float32 [T], nats."""

    pair_id: str
    prefix: Prefix
    chosen: list[int]
    rejected: list[int]
    chosen_reference: Tensor
    rejected_reference: Tensor
    weight: float


class PairData(Dataset[PairExample]):
    """Pairs in the order of training: `epochs` permutations drawn from the seed, one after the other.

    The order is fixed before the first step, so a resumed run meets the same pairs as an uninterrupted one.
    """

    def __init__(
        self,
        vlm: Vlm,
        pairs: list[Row],
        prompts: dict[str, Row],
        tokens: dict[str, list[int]],
        reference: Reference,
        store: ImageStore,
        epochs: int,
        seed: int,
    ):
        self.vlm, self.pairs, self.prompts = vlm, pairs, prompts
        self.tokens, self.reference, self.store = tokens, reference, store
        generator = torch.Generator().manual_seed(seed)
        self.order = [i for _ in range(epochs) for i in torch.randperm(len(pairs), generator=generator).tolist()]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> PairExample:
        pair = self.pairs[self.order[index]]
        prompt = self.prompts[pair["prompt_id"]]
        image = self.store.open(prompt["id"], prompt["image"], prompt["image_sha256"])
        return PairExample(
            pair_id=pair["pair_id"],
            prefix=encode_prefix(self.vlm, prompt["id"], prompt["instruction"], image),
            chosen=self.tokens[pair["chosen_id"]],
            rejected=self.tokens[pair["rejected_id"]],
            chosen_reference=self.reference[pair["chosen_id"]],
            rejected_reference=self.reference[pair["rejected_id"]],
            weight=pair["weight"],
        )


def read_pair_data(
    vlm: Vlm,
    prompts: str | Path,
    candidates: Sequence[str | Path],
    pairs: str | Path,
    confidence: Sequence[str | Path],
    images_root: str,
    epochs: int,
    seed: int,
) -> PairData:
    """Join the artifacts. Raises ArtifactError when there is no pair, or a pair names an unknown answer."""
    chosen_pairs = list(read_artifact(pairs, "pairs").rows())
    if not chosen_pairs:
        raise ArtifactError(f"{pairs}: no pairs to train on; lower `margin` or look at the dropped prompts' reasons")
    wanted = {pair[side] for pair in chosen_pairs for side in ("chosen_id", "rejected_id")}
    tokens = {
        row["candidate_id"]: row["token_ids"]
        for shard in read_shards(candidates, "candidates")
        for row in shard.rows()
        if row["candidate_id"] in wanted
    }
    if missing := wanted - tokens.keys():
        raise ArtifactError(f"{pairs}: answer {min(missing)!r} is in no candidates shard")
    return PairData(
        vlm,
        chosen_pairs,
        {row["id"]: row for row in read_artifact(prompts, "prompts").rows()},
        tokens,
        read_reference(confidence, wanted, vlm),
        ImageStore(images_root),
        epochs,
        seed,
    )
