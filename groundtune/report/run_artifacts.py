"""The artifacts of one run, opened and checked; a later stage may be missing, and the page then says so."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact, read_artifact
from groundtune.errors import ArtifactError
from groundtune.folder_artifacts import FolderArtifact, read_folder

TRAINING_LOG = "training_log.jsonl"


@dataclass(frozen=True)
class RunArtifacts:
    """candidates: all shards, in shard order. adapter, base, aligned: None when that stage was not run.

    log: one record an optimizer step; empty when the adapter has no training log.
    """

    prompts: Artifact
    candidates: list[Artifact]
    scores: Artifact
    pairs: Artifact
    adapter: FolderArtifact | None
    base: Artifact | None
    aligned: Artifact | None
    log: list[dict[str, float]]

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
        opened = [self.prompts, *self.candidates, self.scores, self.pairs, self.adapter, self.base, self.aligned]
        return max(str(artifact.manifest.get("created", "")) for artifact in opened if artifact is not None)


def open_run(
    prompts: Path,
    candidates: Sequence[Path],
    scores: Path,
    pairs: Path,
    adapter: Path | None,
    base_answers: Path | None,
    aligned_answers: Path | None,
) -> RunArtifacts:
    """Raises ArtifactError when a folder is unfinished, damaged or of another kind."""
    shards = [read_artifact(path, "candidates") for path in candidates]
    trained = read_folder(adapter, "adapter") if adapter else None
    return RunArtifacts(
        prompts=read_artifact(prompts, "prompts"),
        candidates=sorted(shards, key=lambda shard: tuple(shard.manifest["shard"])),
        scores=read_artifact(scores, "scores"),
        pairs=read_artifact(pairs, "pairs"),
        adapter=trained,
        base=read_artifact(base_answers, "answers") if base_answers else None,
        aligned=read_artifact(aligned_answers, "answers") if aligned_answers else None,
        log=_read_log(trained.path / TRAINING_LOG) if trained else [],
    )


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
