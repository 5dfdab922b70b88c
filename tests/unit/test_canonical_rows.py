"""Canonical JSON by columns is canonical JSON by rows, to the byte: digests of artifacts depend on it."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.artifacts import plain_rows
from groundtune.canonical_rows import canonical_lines, digest_batches
from groundtune.digests import canonical_json, digest_rows
from groundtune.records import KINDS, REJECTED


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    """Anything that a column of this type can hold, null included."""
    if pa.types.is_string(kind):
        known = st.text() | st.text(st.sampled_from('"\\\n\r\t\b\f\x00\x1f\x7f/\u2028ä"é😀 a{}[]:,'))
    elif pa.types.is_boolean(kind):
        known = st.booleans()
    elif pa.types.is_integer(kind):
        known = st.integers(-(2**31), 2**31 - 1)
    elif pa.types.is_floating(kind):
        width = 64 if pa.types.is_float64(kind) else 32
        # whole numbers and powers of ten are where the ways of writing a number part
        round_ones = st.sampled_from([0.0, -0.0, *(sign * 10.0**n for n in range(-17, 18) for sign in (1, -1, 3))])
        known = st.floats(allow_nan=False, allow_infinity=False, width=width) | round_ones
    elif pa.types.is_map(kind):
        return st.none() | st.dictionaries(st.text(), values_of(kind.item_type), max_size=4)
    elif pa.types.is_list(kind):
        known = st.lists(values_of(kind.value_type), max_size=4)
    else:
        known = st.fixed_dictionaries({field.name: values_of(field.type) for field in kind})
    return st.none() | known


def rows_of(schema: pa.Schema) -> st.SearchStrategy:
    return st.lists(st.fixed_dictionaries({field.name: values_of(field.type) for field in schema}), max_size=4)


@pytest.mark.parametrize("kind", [*KINDS, "rejected"])
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_columns_and_rows_of_every_kind_have_the_same_canonical_json(kind, data):
    schema = KINDS.get(kind, REJECTED)
    table = pa.Table.from_pylist(data.draw(rows_of(schema)), schema=schema)
    rows = plain_rows(table)
    lines = b"".join(canonical_lines(batch) for batch in table.to_batches())
    assert lines == b"".join(canonical_json(row).encode() + b"\n" for row in rows)
    start = data.draw(st.integers(0, len(rows)))  # cut anywhere: batches of one table share their memory
    cut = [batch for part in (table[:start], table[start:]) for batch in part.to_batches()]
    assert digest_batches(cut) == digest_rows(rows)


def test_every_size_of_number_is_written_as_python_writes_it():
    bits = np.random.default_rng(0).integers(0, 2**63, 100_000, dtype=np.int64).view(np.float64)
    spread = np.random.default_rng(1).normal(size=100_000) * 10.0 ** np.random.default_rng(2).integers(-8, 18, 100_000)
    numbers = np.concatenate([bits[np.isfinite(bits)], spread, spread.astype(np.float32), np.round(spread, 2)])
    edges = [at for edge in (1e-4, 1e6) for at in (np.nextafter(edge, 0), edge, np.nextafter(edge, 9e9))]
    batch = pa.record_batch({"x": np.concatenate([numbers, edges, -np.array(edges)])})
    assert canonical_lines(batch).decode().splitlines() == [f'{{"x":{x!r}}}' for x in batch["x"].to_pylist()]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_know_are_refused(value):
    batch = pa.record_batch({"scores": pa.array([[0.5], [value]], pa.list_(pa.float32()))})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_lines(batch)
