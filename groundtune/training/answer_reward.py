"""The reward of simulated RLHF: MAS of an answer that the policy just wrote, on the scale of the run's pool.

The pool's raw scores fix the calibration once; new answers are read by the same scorers, sentence by sentence, so an
answer of the pool has the reward that selection saw as its MAS (but for rounding: up to half a rank where calibration
goes by rank).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from groundtune.artifacts import Artifact, Row
from groundtune.candidates.alignment_score.calibration import Calibration, fit
from groundtune.candidates.alignment_score.scorer import ImageClaims, Scorer
from groundtune.candidates.alignment_score.stage import load_scorers
from groundtune.candidates.combine import read_shards
from groundtune.candidates.mas import SentenceScores, alignment_scores, read_sentence_scores
from groundtune.candidates.sentences import split_sentences
from groundtune.errors import ArtifactError, RecordError, SettingError
from groundtune.images import ImageStore
from groundtune.settings import AlignmentScoreSettings

SILENCE = 0.0  # reward of an answer without a sentence: the least MAS, so that saying nothing is no way out
ASKED = ("sentence_template", "claim_template")  # settings that decide what a raw score is


class AnswerReward:
    """MAS of answers to prompts."""

    def __init__(
        self,
        scorers: Sequence[Scorer],
        calibrations: Mapping[str, Calibration],
        settings: AlignmentScoreSettings,
        store: ImageStore,
    ):
        self.scorers, self.calibrations, self.settings, self.store = scorers, calibrations, settings, store

    def __call__(self, prompts: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """Rewards in [0, 1], one an answer; prompts[i] is the row of the prompt that texts[i] answers. Raises
        RecordError that names the prompt when its image cannot be read or a score is not finite."""
        sentences = [split_sentences(text) for text in texts]
        spoken = [i for i, own in enumerate(sentences) if own]
        rewards = [SILENCE] * len(texts)
        if not spoken:
            return rewards
        claims = self._claims([prompts[i] for i in spoken], [sentences[i] for i in spoken])
        counts = np.array([len(sentences[i]) for i in spoken])
        names, rows = pa.array([str(i) for i in spoken]), np.arange(len(spoken))
        scores = {}
        for scorer in self.scorers:
            raw = self._raw(scorer, claims)
            flat = np.array([raw[prompts[i]["id"], sentence] for i in spoken for sentence in sentences[i]])
            scores[scorer.name] = SentenceScores(names, rows, counts, self.calibrations[scorer.name](flat))
        weights = {scorer.name: self.settings.scorer_weights[scorer.name] for scorer in self.scorers}
        made = alignment_scores(scores, dict.fromkeys(weights, rows), weights, self.settings.sentence_min_weight)
        for i, mas in zip(spoken, made.mas.tolist(), strict=True):
            rewards[i] = mas
        return rewards

    def _claims(self, prompts: list[Row], sentences: list[list[str]]) -> list[ImageClaims]:
        """One entry a prompt, with all distinct sentences of its answers."""
        found: dict[str, ImageClaims] = {}
        for prompt, own in zip(prompts, sentences, strict=True):
            if prompt["id"] not in found:
                image = self.store.open(prompt["id"], prompt["image"], prompt["image_sha256"])
                found[prompt["id"]] = ImageClaims(prompt, image)
            known = found[prompt["id"]].sentences
            known.extend(sentence for sentence in dict.fromkeys(own) if sentence not in known)
        return list(found.values())

    def _raw(self, scorer: Scorer, claims: list[ImageClaims]) -> dict[tuple[str, str], float]:
        """(prompt id, sentence) -> raw score. One image at a time: in a batch its features would differ in the last
        digits by the others of the batch, and a resumed training would not be the same."""
        raw = {}
        for claim in claims:
            with _whole_digits():
                (scores,) = scorer.score([claim])
            for sentence, score in zip(claim.sentences, scores, strict=True):
                if not np.isfinite(score):
                    problem = f'the score of "{sentence}" is {score}'
                    raise RecordError(claim.prompt["id"], f"alignment ({scorer.name})", problem)
                raw[claim.prompt["id"], sentence] = score
        return raw


@contextmanager
def _whole_digits() -> Iterator[None]:
    """Products in float32 as when the pool was scored, whatever the training beside it allows (lora.add_lora)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def read_answer_reward(
    alignment: Sequence[str | Path], checkpoints: Mapping[str, str], settings: AlignmentScoreSettings, store: ImageStore
) -> AnswerReward:
    """alignment: all shards of the run's raw scores. checkpoints: scorer name -> folder or prefix, as for
    score_alignment. Raises ArtifactError or SettingError when the pool was scored otherwise: by other models, with
    other questions, or not at all."""
    shards = read_shards(alignment, "alignment")
    scorers = load_scorers(dict(checkpoints), settings)
    for shard in shards:
        _check(shard, scorers, settings)
    columns = ["candidate_id", "scorer", "sentence_scores"]
    batches = (batch for shard in shards for batch in shard.batches(columns))
    pool = read_sentence_scores(batches, [scorer.name for scorer in scorers])
    empty = [name for name, scores in pool.items() if not scores.scores.size]
    if empty:
        raise ArtifactError(f"{shards[0].path}: no score of {', '.join(empty)}, so there is no scale for the reward")
    calibrations = {name: fit(name, scores.scores, settings.calibration) for name, scores in pool.items()}
    return AnswerReward(scorers, calibrations, settings, store)


def _check(shard: Artifact, scorers: Sequence[Scorer], settings: AlignmentScoreSettings) -> None:
    for scorer in scorers:
        if shard.manifest["parents"].get(f"scorer.{scorer.name}") != scorer.digest:
            raise ArtifactError(
                f"{shard.path}: scored by another {scorer.name} model than the reward is to come from; run "
                "score_alignment with it, or give the pool's (scorers)"
            )
    for name in ASKED:
        if shard.settings[name] != getattr(settings, name):
            raise SettingError(name, getattr(settings, name), f"{shard.settings[name]!r}, as the pool was scored")
