"""The `claims` scorer: an LVLM is asked yes or no about each sentence; P(yes) renormalised over yes and no.

All questions about one image share the image encoding and the start of the prompt (`vlm.branches`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from groundtune.candidates.alignment_score.scorer import ImageClaims
from groundtune.errors import CheckpointError
from groundtune.vlm.branches import branch_next_logprobs
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.prefix_sharing import split_on_prefix
from groundtune.vlm.prompt import Prefix, encode_prefix, ids_alike, render
from groundtune.vlm.yes_no import yes_no_tokens


class ClaimsScorer:
    """Raw score of a sentence: log P(yes) - log P(no), nats; its logistic is P(yes | yes or no)."""

    name = "claims"

    def __init__(self, checkpoint: Path, template: str):
        self.vlm = load_vlm(checkpoint)
        self.template = template
        self.digest = self.vlm.digest
        try:
            self._answers = yes_no_tokens(self.vlm, render(self.vlm, template.format(sentence="x")))
        except CheckpointError as error:
            raise CheckpointError(f"{checkpoint}: {error}; the claims scorer cannot run") from error

    @torch.inference_mode()
    def score(self, batch: Sequence[ImageClaims]) -> list[list[float]]:
        prefixes, branches = [], []
        for claims in batch:
            prefix, questions = self._questions(claims)
            prefixes.append(prefix)
            branches.append(questions)
        answers = branch_next_logprobs(self.vlm, prefixes, branches, self._answers.token_ids)
        return [[float(self._answers.log_odds(row)) for row in image] for image in answers]

    def _questions(self, claims: ImageClaims) -> tuple[Prefix, list[list[int]]]:
        """The part that all questions about this image share, and the rest of each."""
        asked = [self.template.format(sentence=sentence) for sentence in claims.sentences]
        first = encode_prefix(self.vlm, claims.prompt["id"], asked[0], claims.image)
        others = (ids_alike(self.vlm, render(self.vlm, question), first) for question in asked[1:])
        ids = [first.input_ids.tolist(), *others]
        shared, branches = split_on_prefix(ids)
        return replace(first, input_ids=torch.tensor(shared)), branches
