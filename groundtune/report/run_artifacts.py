"""The artifacts of one run, opened and checked; a later stage may be missing, and the page then says so."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact, read_artifact
from groundtune.candidates.combine import read_shards
from groundtune.errors import ArtifactError
from groundtune.folder_artifacts import FolderArtifact, read_folder

TRAINING_LOG = "training_log.jsonl"


@dataclass(frozen=True)
class RunPaths:
    """Where the artifacts of one run are. candidates, image_pairs, image_reference: all shards, in any order.

    None or no shard: that stage was not run, and the page says so or, for image preferences and probes, is silent.
    """

    prompts: str | Path
    candidates: Sequence[str | Path]
    scores: str | Path
    pairs: str | Path
    adapter: str | Path | None = None
    base_answers: str | Path | None = None
    aligned_answers: str | Path | None = None
    image_pairs: Sequence[str | Path] = ()
    image_reference: Sequence[str | Path] = ()
    base_probe: str | Path | None = None
    aligned_probe: str | Path | None = None


@dataclass(frozen=True)
class RunArtifacts:
    """candidates, image_pairs, image_reference: all shards, in shard order; the last two are empty without image
    preferences. adapter, base, aligned, base_probe, aligned_probe: None when that stage was not run.

    log: one record an optimizer step; empty when the adapter has no training log.
    """

    prompts: Artifact
    candidates: list[Artifact]
    scores: Artifact
    pairs: Artifact
    adapter: FolderArtifact | None
    base: Artifact | None
    aligned: Artifact | None
    image_pairs: list[Artifact] = field(default_factory=list)
    image_reference: list[Artifact] = field(default_factory=list)
    base_probe: Artifact | None = None
    aligned_probe: Artifact | None = None
    log: list[dict[str, float]] = field(default_factory=list)

    @property
    def named(self) -> list[tuple[str, Artifact | FolderArtifact]]:
        """Every artifact that there is, with the name that a person knows it by, in the order of the stages."""
        single: list[tuple[str, Artifact | FolderArtifact | None]] = [
            ("prompts", self.prompts),
            *_numbered("candidates", self.candidates),
            ("scores", self.scores),
            ("pairs", self.pairs),
            *_numbered("image pairs", self.image_pairs),
            *_numbered("image reference", self.image_reference),
            ("adapter", self.adapter),
            ("base answers", self.base),
            ("aligned answers", self.aligned),
            ("base probe", self.base_probe),
            ("aligned probe", self.aligned_probe),
        ]
        return [(name, artifact) for name, artifact in single if artifact is not None]

    @property
    def model_name(self) -> str:
        """The last part of the base model's location, as the adapter's configuration names it; "" if it does not."""
        file = self.adapter.path / "adapter_config.json" if self.adapter else None
        if file is None or not file.is_file():
            return ""
        name = json.loads(file.read_text()).get("base_model_name_or_path") or ""
        return str(name).rstrip("/").rpartition("/")[2]

    @property
    def finished(self) -> str:
        """When the last artifact was written, ISO 8601; "" when no manifest says."""
        return max(str(artifact.manifest.get("created", "")) for _, artifact in self.named)


def _numbered(name: str, shards: list[Artifact]) -> list[tuple[str, Artifact]]:
    several = len(shards) > 1
    return [(f"{name} {number}/{len(shards)}" if several else name, shard) for number, shard in enumerate(shards, 1)]


def open_run(paths: RunPaths) -> RunArtifacts:
    """Raises ArtifactError when a folder is unfinished, damaged or of another kind, or a shard of image preferences is
    missing."""
    shards = [read_artifact(path, "candidates") for path in paths.candidates]
    trained = read_folder(paths.adapter, "adapter") if paths.adapter else None
    return RunArtifacts(
        prompts=read_artifact(paths.prompts, "prompts"),
        candidates=sorted(shards, key=lambda shard: tuple(shard.manifest["shard"])),
        scores=read_artifact(paths.scores, "scores"),
        pairs=read_artifact(paths.pairs, "pairs"),
        adapter=trained,
        base=_read(paths.base_answers, "answers"),
        aligned=_read(paths.aligned_answers, "answers"),
        image_pairs=read_shards(paths.image_pairs, "image_pairs"),
        image_reference=read_shards(paths.image_reference, "image_reference"),
        base_probe=_read(paths.base_probe, "probe"),
        aligned_probe=_read(paths.aligned_probe, "probe"),
        log=_read_log(trained.path / TRAINING_LOG) if trained else [],
    )


def _read(path: str | Path | None, kind: str) -> Artifact | None:
    return read_artifact(path, kind) if path else None


def _read_log(file: Path) -> list[dict[str, float]]:
    """Records in the order of steps; a value that is no finite number is left out of its record."""
    if not file.is_file():
        return []
    records = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ArtifactError(f"{file}:{number}: not JSON: {error.msg}") from error
        if not isinstance(record, dict) or not _is_number(record.get("step")):
            raise ArtifactError(f"{file}:{number}: expected an object with a numeric 'step', found {line[:80]!r}")
        records.append({name: float(value) for name, value in record.items() if _is_number(value)})
    return sorted(records, key=lambda record: record["step"])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
