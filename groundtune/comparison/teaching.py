"""train_method: one method of a comparison, from a seed's pool to its adapter, by the stages that a single run has."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact, read_artifact
from groundtune.comparison.methods import SECTIONS, SEEDED
from groundtune.folder_artifacts import FolderArtifact
from groundtune.preferences import selection
from groundtune.progress import say
from groundtune.settings import AlignmentScoreSettings, ConfidenceSettings, SamplingSettings
from groundtune.tracking.ledger import noted

STAGE = "train_method"
Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Pool:
    """What the methods of one seed share: the paths of whole artifacts."""

    prompts: str | Path
    candidates: str | Path
    alignment: str | Path
    confidence: str | Path
    scores: str | Path


@dataclass(frozen=True)
class Models:
    """Checkpoints, and the root of the images."""

    model: str
    scorers: Mapping[str, str]
    region_models: Mapping[str, str]
    images_root: str


@dataclass(frozen=True)
class Taught:
    """A method's pairs and the adapter that learnt from them."""

    pairs: Artifact
    adapter: FolderArtifact


def run(
    pool: Mapping[str, Any],
    models: Mapping[str, Any],
    pairs: str | Path,
    adapter: str | Path,
    method: Mapping[str, Any],
    alignment: AlignmentScoreSettings | Mapping[str, Any],
    confidence: ConfidenceSettings | Mapping[str, Any],
) -> Taught:
    """Select pairs, score by a reward head and corrupt images where the method asks for it, train.

    pool, models: fields of Pool and of Models. method: of planning.methods; its seeds become that of the pool, whose
    candidates name the settings they were sampled with. pairs, adapter: where they go. What lies between is kept as
    parts below the state root, so a killed task goes on from them. The adapter's manifest says in its results which
    method it is.
    """
    sampling = SamplingSettings.from_mapping(read_artifact(pool["candidates"], "candidates").settings)
    settings = seeded(method, sampling.seed)
    label = f"{STAGE} {method['name']} {sampling.seed}"
    with noted(label, fixed=True), tempfile.TemporaryDirectory() as scratch:
        shared, used, work = Pool(**pool), Models(**models), Path(scratch)
        about = {"method": method["name"], "seed": sampling.seed}
        scores = shared.scores
        if method["reward_model"]:
            rewarded = _rewarded(shared, used, work, settings)
            scores, about["reward"] = rewarded.path, rewarded.results["reward"]
        chosen = selection.run(scores, pairs, settings["selection"])
        made = _train(shared, used, work, chosen, adapter, method, settings, sampling, alignment, confidence, about)
        learnt, steps = made.results["answer_tokens"], made.results["steps"]
        say(label, f"{len(chosen):,} pairs, {learnt:,} answer tokens, {steps:,} steps")
    return Taught(chosen, made)


def seeded(method: Mapping[str, Any], seed: int) -> Sections:
    """The sections that the method's training reads, checked, everything random in them by this seed."""
    name, drawn = method["name"], {"seed": seed}
    sections = [section for section in SECTIONS if section in method]
    values = {section: method[section] | (drawn if section in SEEDED else {}) for section in sections}
    return {
        section: SECTIONS[section].from_mapping(given, f"{section} of {name}").to_mapping()
        for section, given in values.items()
    }


def _rewarded(pool: Pool, models: Models, scratch: Path, settings: Sections) -> Artifact:
    """The pool's scores with those of a reward head."""
    from groundtune.candidates.reward import stage

    return stage.run(
        pool.prompts,
        pool.scores,
        models.images_root,
        models.model,
        scratch / "rewarded",
        settings["reward"],
        settings["selection"],
    )


def _train(
    pool: Pool,
    models: Models,
    scratch: Path,
    pairs: Artifact,
    out: str | Path,
    method: Mapping[str, Any],
    settings: Sections,
    sampling: SamplingSettings,
    alignment: AlignmentScoreSettings | Mapping[str, Any],
    confidence: ConfidenceSettings | Mapping[str, Any],
    about: Mapping[str, Any],
) -> FolderArtifact:
    if method["trainer"] == "sft":
        from groundtune.training import sft

        return sft.run(
            pool.prompts, pairs.path, models.images_root, models.model, out, settings["training"], about=about
        )
    if method["trainer"] == "simulated_rlhf":
        from groundtune.training import simulated_rlhf

        return simulated_rlhf.run(
            pool.prompts,
            pairs.path,
            [pool.alignment],
            models.scorers,
            models.images_root,
            models.model,
            out,
            settings["training"],
            settings["rlhf"],
            sampling,
            alignment,
            about=about,
        )
    from groundtune.training import stage as dpo

    images = _corrupted(pool, models, scratch, pairs, settings, confidence) if method["image_preferences"] else ()
    made = dpo.run(
        pool.prompts,
        [pool.confidence],
        pairs.path,
        models.images_root,
        models.model,
        out,
        settings["training"],
        image_pairs=images[:1],
        image_reference=images[1:],
        about=about,
    )
    assert made is not None, "a single process"
    return made


def _corrupted(
    pool: Pool,
    models: Models,
    scratch: Path,
    pairs: Artifact,
    settings: Sections,
    confidence: ConfidenceSettings | Mapping[str, Any],
) -> tuple[Path, ...]:
    """The corrupted images of the pairs, and the reference under them."""
    from groundtune.preferences.image_preference import reference, stage

    images, referred = scratch / "image_pairs", scratch / "image_reference"
    stage.run(
        pool.prompts,
        pairs.path,
        models.images_root,
        models.region_models,
        images,
        settings["image_preference"],
        scorers=models.scorers,
    )
    reference.run(pool.prompts, pairs.path, images, models.model, referred, confidence)
    return images, referred
