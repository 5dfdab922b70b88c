"""Writing artifacts: parts that survive a killed stage, counts that add up, the manifest last.

Finished parts of an unfinished artifact wait in a state folder (a path or an s3:// prefix) under a key that holds
everything that determines them, so a killed stage goes on where it was.
"""

import importlib.metadata
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import groundtune
from groundtune import storage
from groundtune.artifacts import FILES, MANIFEST, Artifact, Row, plain_rows
from groundtune.digests import digest_file, digest_of, digest_rows
from groundtune.errors import ArtifactError, TooManyRejected
from groundtune.records import KINDS, REJECTED, SCHEMA_VERSION


@dataclass
class ArtifactWriter:
    """Writes one artifact; `write_part` as often as wanted, in any order of `index`, then `finish` once.

    parents: name -> digest of every input. state: folder or s3:// prefix for finished parts ("" keeps them beside
    `path`). shard: (index, count) when this writes a slice of the whole.
    """

    path: Path
    kind: str
    settings: Mapping[str, Any]
    parents: Mapping[str, str]
    state: str = ""
    shard: tuple[int, int] = (0, 1)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        identity = [self.kind, SCHEMA_VERSION, dict(self.settings), dict(self.parents), list(self.shard), self.extra]
        self._state = state_location(self.state, self.path, self.kind, identity)
        self._done = set(storage.list_files(self._state))

    def has_part(self, index: int) -> bool:
        """True when an earlier, interrupted run already wrote this part."""
        return self._name(index) in self._done

    def write_part(
        self,
        index: int,
        rows: list[Row],
        rejected: list[Row] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Store one part durably: attached files and rejected rows first, then the rows, whose presence marks the part
        as done. files: name -> content; the rows that refer to them hold `attached:<name>` and the sha256."""
        for name, content in (files or {}).items():
            self._publish(f"{FILES}/{name}", partial(_write_bytes, content))
        self._store(f"rejected-{index:05d}.parquet", rejected or [], REJECTED)
        self._store(self._name(index), rows, KINDS[self.kind])

    def finish(
        self,
        rows_in: int,
        *,
        unit: str = "",
        max_rejected_share: float = 1.0,
        results: Callable[[Artifact], Mapping[str, Any]] | None = None,
    ) -> Artifact:
        """Assemble the folder and rename it into place, manifest last.

        rows_in: how many input units there were. unit: the column whose distinct values count the units that came out
        (default: every row is one). results: figures about the rows (counts, metrics, throughput), computed on the
        finished rows and kept in the manifest, outside the digest.
        Raises ArtifactError unless rows_in = units out + rejected: nothing may be lost; TooManyRejected when the
        rejected share exceeds the limit.
        """
        with building_folder(self.path) as building:
            manifest = self._assemble(building, rows_in, unit, max_rejected_share)
            manifest["results"] = dict(results(Artifact(building, manifest)) if results else {})
            write_manifest(building, manifest)
        storage.remove(self._state)
        return Artifact(self.path, manifest)

    def _assemble(self, building: Path, rows_in: int, unit: str, max_rejected_share: float) -> dict[str, Any]:
        parts = sorted(name for name in storage.list_files(self._state) if name.startswith("part-"))
        rejected: list[Row] = []
        counts: dict[str, int] = {}
        for name in parts:
            storage.fetch_file(storage.join(self._state, name), building / name)
            counts[name] = pq.read_metadata(building / name).num_rows
            refused = storage.fetch_file(
                storage.join(self._state, name.replace("part-", "rejected-")), building / ".rejected"
            )
            rejected += plain_rows(pq.read_table(refused, schema=REJECTED))
            refused.unlink()
        for name in storage.list_files(storage.join(self._state, FILES)):
            if name.startswith("."):  # what a killed stage was just writing
                continue
            storage.fetch_file(storage.join(self._state, f"{FILES}/{name}"), building / FILES / name)
        _write_parquet(building / "rejected.parquet", rejected, REJECTED)
        rows = out = sum(counts.values())
        if unit:
            out = len(
                {value for name in parts for value in pq.read_table(building / name, columns=[unit])[0].to_pylist()}
            )
        if rows_in != out + len(rejected):
            raise ArtifactError(
                f"{self.path}: {rows_in} in, {out} out and {len(rejected)} rejected: some were lost or doubled"
            )
        reasons = Counter(row["reason"] for row in rejected)
        if rows_in and len(rejected) > max_rejected_share * rows_in:
            worst = "\n  ".join(row["detail"] for row in rejected[:5])
            raise TooManyRejected(
                f"{len(rejected)} of {rows_in} rows were rejected ({dict(reasons)}), the limit is "
                f"{max_rejected_share:.1%} (max_rejected_share). The first:\n  {worst}"
            )
        schema = KINDS[self.kind]
        content = digest_rows(
            row for name in parts for row in plain_rows(pq.read_table(building / name, schema=schema))
        )
        identity = {
            "kind": self.kind,
            "schema_version": SCHEMA_VERSION,
            "content_digest": content,
            "rejected_digest": digest_rows(rejected),
            "settings": dict(self.settings),
            "parents": dict(self.parents),
        }
        return {
            **identity,
            "digest": digest_of(identity),
            "rows": rows,
            "rows_in": rows_in,
            "rejected": len(rejected),
            "rejected_reasons": dict(sorted(reasons.items())),
            "shard": list(self.shard),
            "parts": [{"file": name, "rows": counts[name], "sha256": digest_file(building / name)} for name in parts],
            "extra": self.extra,
            **provenance(),
        }

    def _name(self, index: int) -> str:
        return f"part-{index:05d}.parquet"

    def _store(self, name: str, rows: list[Row], schema: pa.Schema) -> None:
        self._publish(name, lambda file: _write_parquet(file, rows, schema))
        self._done.add(name)

    def _publish(self, name: str, write: Callable[[Path], Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(name).name
            write(file)
            storage.publish_file(file, storage.join(self._state, name))


def state_location(state: str, path: Path, kind: str, identity: Any) -> str:
    """Where the unfinished parts of an artifact wait, under a key of its identity: below `state`, else below the
    environment's GROUNDTUNE_STATE (path or s3:// prefix; where, not what, so never a setting), else beside `path`."""
    root = state or storage.state_root() or str(path.with_name(path.name + ".state"))
    return storage.join(root, f"{kind}-{digest_of(identity)[:24]}")


@contextmanager
def building_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to build in; it takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    building.chmod(0o755)
    try:
        yield building
        if path.is_dir():  # what an interrupted run left, or an empty folder that KFP made for us
            shutil.rmtree(path)
        os.replace(building, path)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """The last file of an artifact."""
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def provenance() -> dict[str, Any]:
    """What made an artifact; never part of its digest."""
    return {
        "groundtune": groundtune.__version__,
        "packages": package_versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def package_versions() -> dict[str, str]:
    """Versions of what can change a number."""
    found = {}
    for name in ("torch", "transformers", "peft", "numpy", "pyarrow", "pillow", "networkx", "spacy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def reject(record_id: str, reason: str, detail: str) -> Row:
    """One row of rejected.parquet."""
    return {"id": record_id, "reason": reason, "detail": detail}


def _write_bytes(content: bytes, file: Path) -> None:
    file.write_bytes(content)


def _write_parquet(file: Path, rows: Iterable[Row], schema: pa.Schema) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file, compression="zstd")
