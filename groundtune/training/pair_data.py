"""Training examples: a pair with its prompt, token ids and reference log-probs, in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.candidates.combine import read_shards
from groundtune.candidates.reference_key import Answer, pass_parts
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.settings import TrainingSettings
from groundtune.training.curriculum import schedule_of_pairs
from groundtune.training.reference import Reference, read_reference
from groundtune.vlm.image_files import encode_file, encode_prompt
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix


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
        self.tokens = [self._learnt_of(pair) for pair in pairs]
        self.schedule = schedule_of_pairs(pairs, self.tokens, settings)

    def __len__(self) -> int:
        return len(self.schedule.order)

    def __getitem__(self, index: int) -> PairExample:
        return self.example(self.schedule.order[index])

    def example(self, number: int) -> PairExample:
        """The pair of that number, whatever its place in the order."""
        pair = self.pairs[number]
        prompt = self.prompts[pair["prompt_id"]]
        prefix = encode_prompt(self.vlm, prompt, self.store)
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

    @property
    def answer_tokens(self) -> int:
        """Tokens of answers that the whole training learns from."""
        return sum(self.tokens[number] for number in self.schedule.order)

    def _learnt_of(self, pair: Row) -> int:
        """Answer tokens of the pair's branches: chosen, rejected, and chosen under the corrupted image."""
        with_image = self.corrupted is not None and pair["pair_id"] in self.corrupted
        return len(pair["chosen_tokens"]) * (2 if with_image else 1) + len(pair["rejected_tokens"])

    def _corrupted(self, pair_id: str, prompt: Row) -> tuple[Prefix | None, Tensor | None]:
        if self.corrupted is None or pair_id not in self.corrupted:
            return None, None
        row, store = self.corrupted.rows[pair_id]
        file = store.file(pair_id, row["corrupted"], row["corrupted_sha256"])
        return encode_file(self.vlm, prompt["id"], prompt["instruction"], file), self.corrupted.reference[pair_id]


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
    prepared = read_artifact(prompts, "prompts")
    answers = _answers(chosen_pairs, prepared, source.path)
    reference = read_reference(read_shards(confidence, "confidence"), "candidate_id", answers, pass_parts(vlm))
    corrupted = None
    if image_pairs and settings.image_weight:
        if not image_reference:
            raise ArtifactError(f"{image_pairs[0]}: corrupted images without their reference; run score_corrupted")
        corrupted = _read_corrupted(image_pairs, image_reference, source, answers, vlm)
    return PairData(vlm, chosen_pairs, prepared, reference, corrupted, images_root, settings)


def _answers(pairs: list[Row], prompts: Artifact, place: Path) -> dict[str, Answer]:
    """Candidate id -> what its reference must be of."""
    known = {row["id"]: row for row in prompts.rows()}
    found = {}
    for pair in pairs:
        prompt = known.get(pair["prompt_id"])
        if prompt is None:
            raise ArtifactError(f'{place}: pair "{pair["pair_id"]}": its prompt is not in {prompts.path}')
        for side in ("chosen", "rejected"):
            found[pair[f"{side}_id"]] = Answer(prompt["instruction"], pair[f"{side}_tokens"], prompt["image_sha256"])
    return found


def _read_corrupted(
    image_pairs: Sequence[str | Path],
    image_reference: Sequence[str | Path],
    pairs: Artifact,
    answers: dict[str, Answer],
    vlm: Vlm,
) -> CorruptedImages:
    """A pair whose corrupted image score_corrupted rejected, with a reason, trains on its text alone; one that is
    missing there without a reason is an error."""
    shards = read_shards(image_pairs, "image_pairs")
    if any(shard.manifest["parents"]["pairs"] != pairs.digest for shard in shards):
        raise ArtifactError(f"{shards[0].path}: the corrupted images are of other pairs than {pairs.path}")
    references = read_shards(image_reference, "image_reference")
    if {shard.manifest["parents"]["image_pairs"] for shard in references} != {shard.digest for shard in shards}:
        place = references[0].path
        raise ArtifactError(f"{place}: of other corrupted images than {shards[0].path}; run score_corrupted with these")
    given_up = {row["id"] for shard in references for row in shard.rejected()}
    rows = {
        row["pair_id"]: (row, ImageStore("", attached=shard.files))
        for shard in shards
        for row in shard.rows()
        if row["pair_id"] not in given_up
    }
    if not rows:
        raise ArtifactError(f"{shards[0].path}: no pair has a corrupted image; look at the rejected rows' reasons")
    chosen = {pair["pair_id"]: answers[pair["chosen_id"]] for pair in pairs.rows()}
    wanted = {
        pair_id: replace(chosen[pair_id], image_sha256=row["corrupted_sha256"]) for pair_id, (row, _) in rows.items()
    }
    return CorruptedImages(rows, read_reference(references, "pair_id", wanted, pass_parts(vlm)))
