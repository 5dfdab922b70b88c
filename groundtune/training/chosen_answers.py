"""What supervised fine-tuning learns from: the chosen answer of every pair, token for token, in a fixed order."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.settings import TrainingSettings
from groundtune.training.curriculum import schedule_of_pairs
from groundtune.training.padded_batch import answer_batch
from groundtune.vlm.image_files import encode_prompt
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix

PLACES = "places"  # of a batch's examples in the order of training


class ChosenAnswers:
    """Examples in the order of training (curriculum.schedule_of). A pair is an example: an answer that several pairs
    chose is met as often."""

    def __init__(
        self, vlm: Vlm, pairs: list[Row], prompts: Artifact, images_root: str, settings: TrainingSettings
    ) -> None:
        self.vlm, self.pairs = vlm, pairs
        self.prompts = {row["id"]: row for row in prompts.rows()}
        self.store = ImageStore(images_root, attached=prompts.files)
        self.tokens = [len(pair["chosen_tokens"]) for pair in pairs]
        self.schedule = schedule_of_pairs(pairs, self.tokens, settings)

    def __len__(self) -> int:
        return len(self.schedule.order)

    def pair(self, place: int) -> Row:
        """The pair at a place in the order of training."""
        return self.pairs[self.schedule.order[place]]

    def prefix(self, pair: Row) -> Prefix:
        """Image and instruction of a pair, as its answers were sampled behind them."""
        return encode_prompt(self.vlm, self.prompts[pair["prompt_id"]], self.store)

    def answer_tokens(self, places: int) -> int:
        """Answer tokens of the first `places` examples."""
        return sum(self.tokens[number] for number in self.schedule.order[:places])

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """A DataLoader's collate function. rows: {"place": int}. Returns answer_batch, and PLACES [B] int64."""
        pairs = [self.pair(row["place"]) for row in rows]
        answers = [pair["chosen_tokens"] for pair in pairs]
        padded = answer_batch(
            [self.prefix(pair) for pair in pairs], answers, self.vlm.family, self.vlm.tokenizer.pad_token_id
        )
        return {**padded, PLACES: torch.tensor([row["place"] for row in rows])}


def read_chosen_answers(
    vlm: Vlm, prompts: str | Path, pairs: Artifact, images_root: str, settings: TrainingSettings
) -> ChosenAnswers:
    """Raises ArtifactError when there is no pair, or one whose prompt is missing."""
    rows = list(pairs.rows())
    if not rows:
        raise ArtifactError(f"{pairs.path}: no pairs to learn from; lower `margin` or look at the reasons of the drops")
    prepared = read_artifact(prompts, "prompts")
    known = set(prepared.values("id"))
    lost = next((row for row in rows if row["prompt_id"] not in known), None)
    if lost:
        raise ArtifactError(f'{pairs.path}: pair "{lost["pair_id"]}": its prompt is not in {prepared.path}')
    return ChosenAnswers(vlm, rows, prepared, images_root, settings)
