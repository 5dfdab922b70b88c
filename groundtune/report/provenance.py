"""Section "provenance": digests, versions, seeds, and the configuration that makes the same run again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from groundtune.artifacts import Artifact
from groundtune.folder_artifacts import FolderArtifact
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.settings.image_preference import FINDERS

COMMAND = "python -m pipelines run align --config run.yaml"


@dataclass(frozen=True)
class Source:
    """One artifact's identity. parents: (name, digest)."""

    name: str
    digest: str
    parents: list[tuple[str, str]]
    created: str


@dataclass(frozen=True)
class Provenance:
    """configuration: a run.yaml for COMMAND, with the paths left to be filled in."""

    sources: list[Source]
    versions: list[tuple[str, str]]
    seeds: list[tuple[str, Any]]
    configuration: str
    identity: list[tuple[str, Any]]
    command: str = COMMAND


def provenance_of(run: RunArtifacts, title: str) -> Provenance:
    versions: dict[str, set[str]] = {}
    for _, artifact in run.named:
        made_by = {"groundtune": artifact.manifest.get("groundtune"), **artifact.manifest.get("packages", {})}
        for package, version in made_by.items():
            versions.setdefault(package, set()).add(str(version))
    seeds = {
        re.sub(r" \d+/\d+$", "", name): artifact.settings["seed"]
        for name, artifact in run.named
        if "seed" in artifact.settings
    }
    if probe := run.aligned_probe or run.base_probe:
        seeds["probe"] = probe.settings.get("probe", {}).get("seed", "")
    return Provenance(
        sources=[_source(name, artifact) for name, artifact in run.named],
        versions=[(package, ", ".join(sorted(found))) for package, found in versions.items()],
        seeds=list(seeds.items()),
        configuration=configuration_of(run, title),
        identity=_identity(run.aligned or run.base),
    )


def configuration_of(run: RunArtifacts, title: str) -> str:
    """YAML in the sections of pipelines/config.py. Artifacts know their inputs by digest, not by place: paths are
    the reader's. The confidence stage's settings only cut the work into batches and are left at their defaults.
    """
    inputs = run.prompts.manifest["parents"]
    probe = run.aligned_probe or run.base_probe
    probed = probe.settings if probe else {}
    image_preference = run.image_pairs[0].settings if run.image_pairs else probed.get("image_preference", {})
    regions = _region_models(image_preference)
    lines = [
        f"# Every setting of this run. Fill in the {'' if regions else 'four '}paths; the digests say which files are "
        "meant.",
        f"prompts: PROMPTS.jsonl  # sha256 {inputs.get('prompts', 'unknown')}",
        f"model: MODEL_FOLDER  # digest {inputs.get('model', 'unknown')}",
        "benchmarks_root: BENCHMARKS_FOLDER",
        "scorers: {contrastive: CLIP_FOLDER}",
        f"num_shards: {max(1, len(run.candidates))}",
        *regions,
        *(["image_preferences: true"] if run.image_pairs else []),
    ]
    sections: dict[str, Any] = {
        "prepare": run.prompts.settings,
        "sampling": run.candidates[0].settings if run.candidates else {},
        "alignment": run.scores.settings,
        "selection": run.pairs.settings,
        "image_preference": image_preference,
        "training": run.adapter.settings if run.adapter else {},
        "probe": probed.get("probe", {}),
        "evaluation": next((answers.settings for answers in (run.aligned, run.base) if answers), {}),
    }
    filled = {name: settings for name, settings in sections.items() if settings}
    if title:
        filled = {"title": title, **filled}
    body = yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=100) if filled else ""
    return "\n".join(lines) + "\n" + body


def _region_models(image_preference: Mapping[str, Any]) -> list[str]:
    """The checkpoints that the region finder needs; patch_similarity takes the contrastive scorer's."""
    names = FINDERS.get(image_preference.get("finder", "patch_similarity"), ())
    wanted = [name for name in names if name != "patch_similarity"]
    return [f"region_models: {{{', '.join(f'{name}: {name.upper()}_FOLDER' for name in wanted)}}}"] if wanted else []


def _source(name: str, artifact: Artifact | FolderArtifact) -> Source:
    parents = [(parent, str(digest)) for parent, digest in artifact.manifest["parents"].items() if digest]
    return Source(name, artifact.digest, parents, str(artifact.manifest.get("created", "")))


def _identity(answers: Artifact | None) -> list[tuple[str, Any]]:
    """What the scores are worth reporting with: parser, decoding, prompt."""
    if answers is None:
        return []
    identity = answers.results.get("identity", {})
    protocol = identity.get("protocol", {})
    shown: dict[str, Any] = {}
    if identity.get("prompt_template"):
        shown["prompt"] = identity["prompt_template"]
    for kind, decoding in protocol.get("decoding", {}).items():
        shown[f"decoding, {kind.replace('_', '/')}"] = decoding
    for name, benchmark in protocol.get("benchmarks", {}).items():
        shown[f"parser, {name}"] = benchmark.get("parser", "")
    return list(shown.items())
