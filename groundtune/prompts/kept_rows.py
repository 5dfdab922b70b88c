"""Rows of prompt files kept as they were read, unreadable ones included: what `read_rows` gives again, row for row.

A Parquet file with a column of JSON, one for an embedded image, and where the row stood. Its schema says what it is.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundtune.errors import RecordError

_IS = b"groundtune.kept_rows"
KEPT_ROWS = pa.schema(
    [
        ("place", pa.string()),  # as messages name the row: "kitchen.jsonl:418"
        ("fields", pa.string()),  # JSON of the row, without an embedded image
        ("image", pa.binary()),  # the embedded image, null when the row refers to one
        ("problem", pa.string()),  # JSON of [record id, field, problem] when the row could not be read, else ""
    ],
    {_IS: b"1"},
)
_ROWS = 64  # at once: rows may hold images

Kept = tuple[str, dict[str, Any], RecordError | None]


def are_kept_rows(schema: pa.Schema) -> bool:
    return _IS in (schema.metadata or {})


def write_kept_rows(file: Path, rows: Iterable[Kept]) -> int:
    """(place, fields, error) of every row into a Parquet file; returns how many there were."""
    count = 0
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(file, KEPT_ROWS, compression="zstd") as writer:
        for place, fields, error in rows:
            image = fields.get("image")
            embedded = image if isinstance(image, bytes) else None
            text = {name: value for name, value in fields.items() if embedded is None or name != "image"}
            problem = json.dumps([error.record_id, error.field, error.problem]) if error else ""
            waiting.append({"place": place, "fields": _json(text), "image": embedded, "problem": problem})
            count += 1
            if len(waiting) == _ROWS:
                writer.write_table(pa.Table.from_pylist(waiting, schema=KEPT_ROWS))
                waiting = []
        writer.write_table(pa.Table.from_pylist(waiting, schema=KEPT_ROWS))
    return count


def read_kept_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[Kept]:
    """What `write_kept_rows` was given."""
    for batch in batches:
        for row in batch.to_pylist():
            fields = json.loads(row["fields"])
            if row["image"] is not None:
                fields["image"] = row["image"]
            yield row["place"], fields, _error(row["problem"], row["place"])


def as_they_were(file: Path) -> Iterator[Kept]:
    """The rows of a file that `write_kept_rows` wrote."""
    yield from read_kept_rows(pq.ParquetFile(file).iter_batches(batch_size=_ROWS))


def with_ids_of_their_own(rows: Iterable[Kept]) -> Iterator[Kept]:
    """Rows of several files may have the same id: a second one of other content is called "<id>~<its digest>"."""
    seen: set[str] = set()
    for kept in rows:
        place, fields, error = kept
        identity = str(fields.get("id", ""))
        if error is None and identity in seen:
            yield place, {**fields, "id": f"{identity}~{record_digest(kept).hex()[:8]}"}, None
            continue
        seen.add(identity)
        yield kept


def record_digest(kept: Kept) -> bytes:
    """16 bytes: the same for the same content, wherever it stands and in whatever order its fields come. An id that
    only says where the row stands is no content. A row that could not be read is known by its place and its problem."""
    place, fields, error = kept
    if error:
        content: Any = ["unreadable", place, str(error)]
    else:
        content = {name: value for name, value in fields.items() if name != "id" or value != place}
    return hashlib.sha256(_json(content).encode("utf-8", "surrogatepass")).digest()[:16]


def _error(problem: str, place: str) -> RecordError | None:
    if not problem:
        return None
    record_id, field, words = json.loads(problem)
    return RecordError(record_id, field, words, place)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """What Parquet knows and JSON does not: bytes by their digest, dates and decimals as text."""
    return {"sha256": hashlib.sha256(value).hexdigest()} if isinstance(value, bytes) else str(value)
