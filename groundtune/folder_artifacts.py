"""Artifacts that are files instead of rows (an adapter): a folder with a manifest, written last."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.artifact_writing import building_folder, drop_state, provenance, state_location, write_manifest
from groundtune.artifacts import MANIFEST, flat_scalars, write_scalars
from groundtune.digests import digest_folder, digest_of
from groundtune.errors import ArtifactError
from groundtune.records import SCHEMA_VERSION


@dataclass(frozen=True)
class FolderArtifact:
    """A finished folder, opened for reading."""

    path: Path
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """Identity of content, settings and lineage."""
        return str(self.manifest["digest"])

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.manifest["settings"])

    @property
    def results(self) -> dict[str, Any]:
        return dict(self.manifest["results"])

    @property
    def card(self) -> dict[str, Any]:
        """What a UI shows of the artifact."""
        return {"digest": self.digest, **self.results}

    @property
    def scalars(self) -> dict[str, float]:
        """The figures as flat numbers, for metrics."""
        return flat_scalars(self.results)

    def write_scalars(self, path: str | Path) -> dict[str, float]:
        """`scalars`, also written to a JSON file."""
        return write_scalars(self.scalars, path)


def read_folder(path: str | Path, kind: str) -> FolderArtifact:
    """Raises ArtifactError when the folder is unfinished, changed, or of another kind."""
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder}: no {MANIFEST}: the stage that writes it did not finish")
    manifest = json.loads((folder / MANIFEST).read_text())
    if manifest.get("kind") != kind:
        raise ArtifactError(f"{folder}: holds {manifest.get('kind')!r}, expected {kind!r}")
    if digest_folder(folder, tuple(manifest["content"])) != manifest["content_digest"]:
        raise ArtifactError(f"{folder}: changed since it was written")
    return FolderArtifact(folder, manifest)


@dataclass
class FolderWriter:
    """Writes one folder artifact.

    state: where checkpoints of unfinished work may be kept; a path or s3:// prefix made from everything that
    determines the result. content: file patterns that make up its identity (logs and notes do not).
    """

    path: Path
    kind: str
    settings: Mapping[str, Any]
    parents: Mapping[str, str]
    state: str = ""
    content: tuple[str, ...] = ("*.safetensors",)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        identity = [self.kind, SCHEMA_VERSION, dict(self.settings), dict(self.parents)]
        self.state = state_location(self.state, self.path, self.kind, identity)

    def finish(self, write: Callable[[Path], None], results: Mapping[str, Any]) -> FolderArtifact:
        """`write` fills the folder; then it is digested and takes its place. The state is removed."""
        with building_folder(self.path) as building:
            write(building)
            identity = {
                "kind": self.kind,
                "schema_version": SCHEMA_VERSION,
                "content_digest": digest_folder(building, self.content),
                "settings": dict(self.settings),
                "parents": dict(self.parents),
            }
            manifest = {
                **identity,
                "digest": digest_of(identity),
                "content": list(self.content),
                "results": dict(results),
                **provenance(),
            }
            write_manifest(building, manifest)
        drop_state(self.state)
        return FolderArtifact(self.path, manifest)
