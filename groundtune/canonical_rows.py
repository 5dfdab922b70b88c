"""Canonical JSON of whole Arrow columns at once: byte for byte what `digests.canonical_json` makes of each row, without
the rows becoming Python objects on the way (a million rows: seconds, not minutes).
"""

import hashlib
import json
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.large_string()  # 64-bit offsets: the lists of one batch may be longer than 2 GiB as text
_NULL = pa.scalar(None, _TEXT)
_quoted = json.JSONEncoder(ensure_ascii=False).encode
# Between these sizes Arrow writes a fraction as Python does: the shortest digits that read back as the same number.
_PLAIN_FROM, _PLAIN_BELOW = 1e-4, 1e6


def digest_batches(batches: Iterable[pa.RecordBatch]) -> str:
    """sha256 (hex) of rows in their order; the same as `digest_rows` of them as dicts, however they are batched."""
    total = hashlib.sha256()
    for batch in batches:
        total.update(canonical_lines(batch))
    return total.hexdigest()


def canonical_lines(batch: pa.RecordBatch) -> bytes:
    """One line of canonical JSON a row. Raises ValueError on NaN and infinities: they have no place in a contract."""
    lines = _object(batch.schema.names, [_encoded(column) for column in batch.columns], ending="}\n")
    return b"".join(lines.cast(pa.large_binary()).to_pylist())


def _encoded(column: pa.Array) -> pa.Array:
    """JSON text of every value, null for null: large_string [N]."""
    kind = column.type
    if pa.types.is_string(kind):
        return pa.array([None if text is None else _quoted(text) for text in column.to_pylist()], _TEXT)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, _text("true"), _text("false"))
    if pa.types.is_integer(kind):
        return column.cast(_TEXT)
    if pa.types.is_floating(kind):
        return _floats(column.cast(pa.float64()))
    if pa.types.is_map(kind):
        return _map(column)
    if pa.types.is_list(kind):
        return _enclosed("[", _joined(_nulls_named(_encoded(column.flatten())), pc.list_value_length(column)), "]")
    if pa.types.is_struct(kind):
        fields = [_encoded(field) for field in column.flatten()]
        return pc.if_else(column.is_valid(), _object([field.name for field in kind], fields), _NULL)
    raise TypeError(f"no canonical JSON for {kind}")


def _floats(column: pa.Array) -> pa.Array:
    """float64 [N] as Python's repr."""
    values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        raise ValueError(f"Out of range float values are not JSON compliant: {values[~np.isfinite(values)][0]}")
    size = np.abs(values)
    odd = np.flatnonzero((size < _PLAIN_FROM) | (size >= _PLAIN_BELOW) | (values == np.trunc(values)))
    texts = column.cast(_TEXT)
    if odd.size:
        mask = np.zeros(len(values), dtype=bool)
        mask[odd] = True
        shown = pa.array([float.__repr__(value) for value in values[odd].tolist()], _TEXT)
        texts = pc.if_else(column.is_valid(), pc.replace_with_mask(texts, pa.array(mask), shown), _NULL)
    return texts


def _map(column: pa.Array) -> pa.Array:
    """An object with sorted names; like `artifacts.plain_rows`, a null map is an empty one."""
    pairs = column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))
    lengths = pc.fill_null(pc.list_value_length(pairs), 0)
    flat = pairs.flatten()
    keys, values = flat.field("key"), flat.field("value")
    rows = pa.array(np.repeat(np.arange(len(column)), lengths.to_numpy()))
    order = pc.sort_indices(pa.table({"row": rows, "key": keys}), [("row", "ascending"), ("key", "ascending")])
    named = pc.binary_join_element_wise(_encoded(keys), _nulls_named(_encoded(values)), _text(":")).take(order)
    return _enclosed("{", _joined(named, lengths), "}")


def _object(names: list[str], columns: list[pa.Array], ending: str = "}") -> pa.Array:
    parts: list[pa.Array | pa.Scalar] = []
    for name, column in sorted(zip(names, columns, strict=True), key=lambda pair: pair[0]):
        parts += [_text(f"{',' if parts else '{'}{_quoted(name)}:"), _nulls_named(column)]
    return pc.binary_join_element_wise(*parts, _text(ending), _text(""))


def _joined(items: pa.Array, lengths: pa.Array) -> pa.Array:
    """Runs of `lengths` items with commas between; null where the length is."""
    ends = np.cumsum(pc.fill_null(lengths, 0).to_numpy(), dtype=np.int64)
    lists = pa.LargeListArray.from_arrays(pa.array(np.concatenate([[0], ends])), items)
    return pc.if_else(lengths.is_valid(), pc.binary_join(lists, _text(",")), _NULL)


def _enclosed(opening: str, texts: pa.Array, closing: str) -> pa.Array:
    return pc.binary_join_element_wise(_text(opening), texts, _text(closing), _text(""))


def _nulls_named(texts: pa.Array) -> pa.Array:
    return pc.fill_null(texts, _text("null"))


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, _TEXT)
