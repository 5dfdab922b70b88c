"""Artifact folders: `part-*.parquet`, `rejected.parquet`, `files/` when rows refer to attached files, and
`manifest.json`, written last.

A folder without a manifest does not exist. `artifact_writing` makes them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundtune.digests import digest_file
from groundtune.errors import ArtifactError, SettingError
from groundtune.records import KINDS, REJECTED, SCHEMA_VERSION

MANIFEST = "manifest.json"
FILES = "files"  # attached files; rows hold their names and sha256
ROWS_AT_ONCE = 2048  # in memory, of an artifact that is read or written as a stream
Row = dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """A finished artifact folder, opened for reading."""

    path: Path
    manifest: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def digest(self) -> str:
        """Identity of content, settings and lineage; the same whatever the machine, the time or the shards."""
        return str(self.manifest["digest"])

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.manifest["settings"])

    @property
    def results(self) -> dict[str, Any]:
        """Figures that the stage reported about its rows."""
        return dict(self.manifest["results"])

    @property
    def card(self) -> dict[str, Any]:
        """What a UI shows of the artifact: digest, counts, figures."""
        counts = {name: self.manifest[name] for name in ("rows", "rejected", "rejected_reasons")}
        return {"digest": self.digest, **counts, **self.results}

    @property
    def scalars(self) -> dict[str, float]:
        """The figures as flat numbers, for metrics."""
        return flat_scalars(self.results)

    def write_scalars(self, path: str | Path) -> dict[str, float]:
        """`scalars`, also written to a JSON file."""
        return write_scalars(self.scalars, path)

    @property
    def files(self) -> Path:
        """Folder of attached files, the root of `attached:` references in the rows."""
        return self.path / FILES

    def __len__(self) -> int:
        return int(self.manifest["rows"])

    def batches(self, columns: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Rows in their order, at most ROWS_AT_ONCE at a time. columns: only these, in this order; default: all."""
        for part in self.manifest["parts"]:
            yield from read_batches(self.path / part["file"], KINDS[self.kind], columns)

    def rows(self) -> Iterator[Row]:
        """Rows in their order, at most ROWS_AT_ONCE in memory."""
        for batch in self.batches():
            yield from plain_rows(batch)

    def values(self, column: str) -> Iterator[Any]:
        """One column, in the order of the rows; the others are not read."""
        for batch in self.batches([column]):
            yield from batch[column].to_pylist()

    def rejected(self) -> list[Row]:
        return [row for batch in read_batches(self.path / "rejected.parquet", REJECTED) for row in plain_rows(batch)]


def read_artifact(path: str | Path, kind: str) -> Artifact:
    """Open an artifact folder; checks kind, schema version and the bytes of every part.

    Raises ArtifactError when it is unfinished, damaged, or something else than `kind`.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder}: no {MANIFEST}: the stage that writes it did not finish")
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except ValueError as error:
        raise ArtifactError(f"{folder / MANIFEST}: damaged: {error}") from error
    if manifest.get("kind") != kind:
        raise ArtifactError(f"{folder}: holds {manifest.get('kind')!r}, expected {kind!r}")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise ArtifactError(
            f"{folder}: schema version {manifest.get('schema_version')}, this groundtune reads {SCHEMA_VERSION}"
        )
    for part in manifest["parts"]:
        file = folder / part["file"]
        if not file.is_file() or digest_file(file) != part["sha256"]:
            raise ArtifactError(f"{file}: missing or changed since it was written")
    return Artifact(folder, manifest)


def read_batches(file: Path, schema: pa.Schema, columns: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """A Parquet file as a stream. Raises ArtifactError when it lacks a column of `schema` that is wanted."""
    wanted = list(columns) or schema.names
    with pq.ParquetFile(file, buffer_size=1 << 20) as parquet:  # unbuffered, a row group is in memory as a whole
        missing = [name for name in wanted if name not in parquet.schema_arrow.names]
        if missing:
            raise ArtifactError(f"{file}: no column {', '.join(missing)}; run the stage that wrote it again")
        for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=wanted):
            yield batch.select(wanted)


def flat_scalars(results: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """{"a": {"b": 1, "c": {"value": 2, "low": 1}}} -> {"a.b": 1, "a.c": 2}; what is not a number is left out."""
    flat: dict[str, float] = {}
    for name, value in results.items():
        if name == "identity":  # numbers in it are settings, not figures
            continue
        if isinstance(value, Mapping):
            if "value" in value:
                value = value["value"]
            else:
                flat |= flat_scalars(value, f"{prefix}{name}.")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[f"{prefix}{name}"] = float(value)
    return flat


def write_scalars(scalars: Mapping[str, float], path: str | Path) -> dict[str, float]:
    """Write figures as JSON and return them. KFP keeps metrics as metadata only, and its local cache takes an output
    without a file for a missing one."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(scalars, sort_keys=True) + "\n")
    return dict(scalars)


def parts_of(items: list[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    """(index, slice) of `size` items: the plan of parts, the same at every start."""
    for index, start in enumerate(range(0, len(items), size)):
        yield index, items[start : start + size]


def shard_of(items: list[Any], index: int, count: int) -> list[Any]:
    """The contiguous slice that shard `index` of `count` works on; together the shards are the whole, in order."""
    return items[len(items) * index // count : len(items) * (index + 1) // count]


def parse_shard(shard: str) -> tuple[int, int]:
    """ "1/4" -> (1, 4): the second of four."""
    index, _, count = shard.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise SettingError("shard", shard, "index/count, e.g. 0/4")
    return int(index), int(count)


def plain_rows(table: pa.Table | pa.RecordBatch) -> list[Row]:
    """Rows of an Arrow table, maps as dicts."""
    rows: list[Row] = table.to_pylist()
    maps = [column.name for column in table.schema if pa.types.is_map(column.type)]
    for row in rows:
        for name in maps:
            row[name] = dict(row[name] or [])
    return rows
