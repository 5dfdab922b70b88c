"""score_reward: a reward head learns from the MAS-labelled pairs of held-out prompts, and scores every answer of a run
(RM-DPO). Selection then takes `reward` for the score of an answer, and leaves the held-out prompts out."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter, drop_state, state_location
from groundtune.artifacts import Artifact, read_artifact
from groundtune.candidates.reward.head import RewardHead, accuracy, learn
from groundtune.candidates.reward.kept import KeptTensors
from groundtune.candidates.reward.labels import LabelledPairs, check_enough
from groundtune.candidates.reward.passes import Passes
from groundtune.candidates.reward.pools import Answers, read_answers
from groundtune.candidates.reward.rows import NAME, calibrated, with_reward
from groundtune.errors import ArtifactError, SettingError
from groundtune.images import ImageStore
from groundtune.output_probe import check_places
from groundtune.progress import Progress, say
from groundtune.settings import RewardSettings, SelectionSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.loader import load_vlm

STAGE = "score_reward"
HEAD = "reward_head.safetensors"
POOLED = {"last": "hidden state of the answer's last token", "mean": "mean of the hidden states of the answer's tokens"}
# What of the selection decides which prompts and answers the head learns from.
SELECTION = ("held_out_share", "seed", "require_finished", "first_candidates")


@noted(STAGE)
def run(
    prompts: str | Path,
    scores: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: RewardSettings | Mapping[str, Any],
    selection: SelectionSettings | Mapping[str, Any],
) -> Artifact:
    """The rows of `scores` in their order, each with one more scorer, `reward`, calibrated to [0, 1] over the run.

    model: the base model that wrote the answers; it stays as it is. selection: that of select_pairs, whose
    held_out_share and seed say which prompts the head learns from. An answer without a reward is rejected with a
    reason. The head and its card are attached (files/reward_head.safetensors). Raises SettingError before the model is
    loaded when too few held-out prompts have answers that MAS tells apart, and when the head cannot tell those of the
    validation prompts apart at all.
    """
    settings = RewardSettings.of(settings, STAGE)
    selection = SelectionSettings.of(selection, "selection")
    source, scored = read_artifact(prompts, "prompts"), read_artifact(scores, "scores")
    if NAME in scored.manifest["extra"]:
        raise ArtifactError(f"{scored.path}: holds a reward already; give the scores that combine_scores wrote")
    if not selection.held_out_share:
        raise SettingError("held_out_share", 0.0, "above 0: a reward model learns from held-out prompts", "selection")
    held, others = read_answers(source, scored, selection)
    check_enough(held.pairs(settings, selection), len(held.pools), selection.held_out_share)
    check_places(out)
    vlm = load_vlm(storage.local_folder(model))
    vlm.features = open_features(vlm, settings.feature_cache)
    parents = {"prompts": source.digest, "scores": scored.digest, "model": vlm.digest}
    used = {"reward": settings.to_mapping(), "selection": _used(selection)}
    with tracking.stage(STAGE, settings=used, inputs=parents) as log:
        kept = KeptTensors(state_location("", Path(out), NAME, [STAGE, used, parents]))
        progress = Progress(STAGE, len(held.pools) + len(others.pools), "prompts")
        passes = Passes(vlm, ImageStore(images_root, attached=source.files), settings, kept, progress)
        states = passes.over(held.pools, "states", lambda states: states)
        head, card = _head(kept, states.values, held, settings, selection, vlm.digest)
        say(STAGE, _in_words(card))
        rest = passes.over(others.pools, "rewards", head.rewards)
        figures = {**card["figures"], **_unseen(rest.values, others, others.pairs(settings, selection))}
        raw = torch.cat([head.rewards(states.values), rest.values]).double().numpy()
        rewards = calibrated(raw, np.concatenate([held.prompt, len(held.pools) + others.prompt]))
        attached = {HEAD: kept.read_bytes(HEAD)}
        made_of = {"head": HEAD, "sha256": hashlib.sha256(attached[HEAD]).hexdigest(), "card": card}
        writer = ArtifactWriter(Path(out), "scores", used, parents, extra={NAME: made_of})
        rows = with_reward(scored.batches(), held.ids + others.ids, rewards, {**states.problems, **rest.problems})
        for number, (good, rejected) in enumerate(rows):
            writer.write_part(number, good, rejected, attached if number == 0 else None)
        artifact = writer.finish(len(scored), results=lambda made: {"candidates": len(made), NAME: figures})
        drop_state(kept.location)
        log.metrics(artifact.scalars)
        log.tag("output.digest", artifact.digest)
        return artifact


def _head(
    kept: KeptTensors,
    states: Tensor,
    held: Answers,
    settings: RewardSettings,
    selection: SelectionSettings,
    model: str,
) -> tuple[RewardHead, dict[str, Any]]:
    """The head and its card; learnt once, so that all parts of a pass that was interrupted have the same one."""
    if HEAD in kept:
        tensors, card = kept.get(HEAD)
        return RewardHead(**tensors), card
    usable = held.pairs(settings, selection).among(states.isfinite().all(dim=1).numpy())
    check_enough(usable, len(held.pools), selection.held_out_share)
    learnt = learn(states, usable, settings)
    if not learnt.figures["epoch"]:
        raise SettingError(
            "held_out_share",
            selection.held_out_share,
            f"a larger share or more prompts: after {learnt.figures['prompts']} prompts with "
            f"{learnt.figures['pairs']} pairs no reward head is better than a constant on the validation prompts",
            "selection",
        )
    card = {
        "reads": f"{POOLED[settings.pooling]} in the model's last layer, after the final norm",
        "reward": "(state - mean) . weight, known up to a constant a prompt",
        "model": model,
        "settings": settings.to_mapping(),
        "selection": _used(selection),
        "figures": learnt.figures,
    }
    kept.put(HEAD, {"mean": learnt.head.mean, "weight": learnt.head.weight}, card)
    return learnt.head, card


def _used(selection: SelectionSettings) -> dict[str, Any]:
    given = selection.to_mapping()
    return {name: given[name] for name in SELECTION}


def _unseen(rewards: Tensor, answers: Answers, pairs: LabelledPairs) -> dict[str, float]:
    """Accuracy on the prompts that neither the weights nor the stop know, next to that of taking the shorter answer,
    which a head may have learnt instead; nothing where MAS tells no two apart."""
    usable = pairs.among(rewards.isfinite().numpy())
    if not len(usable):
        return {}
    found = {
        "unseen_accuracy": accuracy(rewards, usable),
        "unseen_accuracy_of_shorter": accuracy(-torch.from_numpy(answers.lengths), usable),
    }
    say(
        STAGE,
        f"of {len(usable):,} pairs of the other prompts it orders {found['unseen_accuracy']:.1%}, "
        f"taking the shorter answer {found['unseen_accuracy_of_shorter']:.1%}",
    )
    return {"unseen_pairs": len(usable), **found}


def _in_words(card: Mapping[str, Any]) -> str:
    figures = card["figures"]
    return (
        f"a head from {figures['pairs']:,} pairs of {figures['prompts']:,} prompts orders "
        f"{figures['validation_accuracy']:.1%} of {figures['validation_pairs']:,} validation pairs as MAS does "
        "(a constant: 50.0%)"
    )
