"""Training examples: a pair with its prompt, token ids and reference log-probs, in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.candidates.combine import read_shards
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.settings import TrainingSettings
from groundtune.training.curriculum import schedule_of
from groundtune.training.reference import Reference, read_reference
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_prefix


@dataclass(frozen=True)
class PairExample:
    """One pair ready for the model. Token ids are lists; reference log-probs float32 [T], nats.

    corrupted: the prompt with the corrupted image, None when the pair has none. corrupted_reference: of the chosen
    answer behind it.
    """

    pair_id: str
    prefix: Prefix
    chosen: list[int]
    rejected: list[int]
    chosen_reference: Tensor
    rejected_reference: Tensor
    weight: float
    corrupted: Prefix | None = None
    corrupted_reference: Tensor | None = None


@dataclass(frozen=True)
class CorruptedImages:
    """rows: pair id -> row of image_pairs and the store of its image. reference: of the chosen answers under them."""

    rows: dict[str, tuple[Row, ImageStore]]
    reference: Reference

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self.rows


class PairData(Dataset[PairExample]):
    """Pairs in the order of training (curriculum.schedule_of)."""

    def __init__(
        self,
        vlm: Vlm,
        pairs: list[Row],
        prompts: Artifact,
        reference: Reference,
        corrupted: CorruptedImages | None,
        images_root: str,
        settings: TrainingSettings,
    ):
        self.vlm, self.pairs, self.reference, self.corrupted = vlm, pairs, reference, corrupted
        self.unseen: set[str] = set()  # pairs whose corruption the image processor took away, as far as met
        self.prompts = {row["id"]: row for row in prompts.rows()}
        self.store = ImageStore(images_root, attached=prompts.files)
        stages = [pair["curriculum_stage"] for pair in pairs]
        self.schedule = schedule_of(
            stages, settings.curriculum, settings.epochs, settings.pairs_per_step, settings.seed
        )

    def __len__(self) -> int:
        return len(self.schedule.order)

    def __getitem__(self, index: int) -> PairExample:
        return self.example(self.schedule.order[index])

    def example(self, number: int) -> PairExample:
        """The pair of that number, whatever its place in the order."""
        pair = self.pairs[number]
        prompt = self.prompts[pair["prompt_id"]]
        image = self.store.open(prompt["id"], prompt["image"], prompt["image_sha256"])
        prefix = encode_prefix(self.vlm, prompt["id"], prompt["instruction"], image)
        corrupted, corrupted_reference = self._corrupted(pair["pair_id"], prompt)
        if corrupted is not None and corrupted.image_key == prefix.image_key:
            # what was destroyed is cut off or lost in resizing: to the model both images are one
            self.unseen.add(pair["pair_id"])
            corrupted, corrupted_reference = None, None
        return PairExample(
            pair_id=pair["pair_id"],
            prefix=prefix,
            chosen=pair["chosen_tokens"],
            rejected=pair["rejected_tokens"],
            chosen_reference=self.reference[pair["chosen_id"]],
            rejected_reference=self.reference[pair["rejected_id"]],
            weight=pair["weight"],
            corrupted=corrupted,
            corrupted_reference=corrupted_reference,
        )

    def _corrupted(self, pair_id: str, prompt: Row) -> tuple[Prefix | None, Tensor | None]:
        if self.corrupted is None or pair_id not in self.corrupted:
            return None, None
        row, store = self.corrupted.rows[pair_id]
        image = store.open(pair_id, row["corrupted"], row["corrupted_sha256"])
        return encode_prefix(self.vlm, prompt["id"], prompt["instruction"], image), self.corrupted.reference[pair_id]


def read_pair_data(
    vlm: Vlm,
    prompts: str | Path,
    pairs: str | Path,
    confidence: Sequence[str | Path],
    images_root: str,
    settings: TrainingSettings,
    image_pairs: Sequence[str | Path] = (),
    image_reference: Sequence[str | Path] = (),
) -> PairData:
    """Join the artifacts. image_pairs, image_reference: all shards; left out, or with image_weight 0, training is on
    text preferences alone. Raises ArtifactError when there is no pair, or an answer without a reference."""
    source = read_artifact(pairs, "pairs")
    chosen_pairs = list(source.rows())
    if not chosen_pairs:
        raise ArtifactError(f"{pairs}: no pairs to train on; lower `margin` or look at the dropped prompts' reasons")
    wanted = {pair[side] for pair in chosen_pairs for side in ("chosen_id", "rejected_id")}
    corrupted = None
    if image_pairs and settings.image_weight:
        if not image_reference:
            raise ArtifactError(f"{image_pairs[0]}: corrupted images without their reference; run score_corrupted")
        corrupted = _read_corrupted(image_pairs, image_reference, source, vlm)
    reference = read_reference(read_shards(confidence, "confidence"), "candidate_id", wanted, vlm)
    return PairData(
        vlm, chosen_pairs, read_artifact(prompts, "prompts"), reference, corrupted, images_root, settings
    )


def _read_corrupted(
    image_pairs: Sequence[str | Path], image_reference: Sequence[str | Path], pairs: Artifact, vlm: Vlm
) -> CorruptedImages:
    shards = read_shards(image_pairs, "image_pairs")
    if any(shard.manifest["parents"]["pairs"] != pairs.digest for shard in shards):
        raise ArtifactError(f"{shards[0].path}: the corrupted images are of other pairs than {pairs.path}")
    references = read_shards(image_reference, "image_reference")
    if {shard.manifest["parents"]["image_pairs"] for shard in references} != {shard.digest for shard in shards}:
        place = references[0].path
        raise ArtifactError(f"{place}: of other corrupted images than {shards[0].path}; run score_corrupted with these")
    scored = {row["pair_id"] for shard in references for row in shard.rows()}
    rows = {
        row["pair_id"]: (row, ImageStore("", attached=shard.files))
        for shard in shards
        for row in shard.rows()
        if row["pair_id"] in scored
    }
    if not rows:
        raise ArtifactError(f"{shards[0].path}: no pair has a corrupted image; look at the rejected rows' reasons")
    return CorruptedImages(rows, read_reference(references, "pair_id", set(rows), vlm))
