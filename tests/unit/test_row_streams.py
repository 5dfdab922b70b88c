"""Streams of rows lose nothing, whatever the sizes in which they come and go."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.row_streams import chunks, taken

SCHEMA = pa.schema([("name", pa.string()), ("tokens", pa.list_(pa.int32()))])


def stream(sizes):
    first = 0
    for size in sizes:
        numbers = range(first, first + size)
        rows = [{"name": f"n{i}", "tokens": [i] * (i % 3)} for i in numbers]
        yield pa.RecordBatch.from_pylist(rows, SCHEMA)
        first += size


@given(st.lists(st.integers(0, 7)), st.integers(1, 9))
@settings(deadline=None)
def test_rows_cut_anew_are_the_same_rows(sizes, size):
    made = list(chunks(stream(sizes), SCHEMA, size))
    assert [row for table in made for row in table.to_pylist()] == [row for b in stream(sizes) for row in b.to_pylist()]
    assert [len(table) for table in made[:-1]] == [size] * (len(made) - 1)
    assert 0 < len(made[-1]) <= size or (sum(sizes) == 0 and len(made) == 1)


@given(st.data(), st.lists(st.integers(0, 7), min_size=1).filter(any))
@settings(deadline=None)
def test_rows_are_taken_in_any_order_and_as_often_as_wanted(data, sizes):
    rows = [row for batch in stream(sizes) for row in batch.to_pylist()]
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wanted)), max_size=4)))
    made = list(taken(stream(sizes), SCHEMA, np.array(wanted, dtype=np.int64), [*cuts, len(wanted)]))
    expected = [wanted[start:end] for start, end in zip([0, *cuts], [*cuts, len(wanted)], strict=True)]
    assert [table.to_pylist() for table in made] == [[rows[i] for i in part] for part in expected]
    assert all(table.schema == SCHEMA for table in made)


def test_a_row_behind_the_end_is_an_error():
    with pytest.raises(IndexError, match="row 9 of a stream of 5"):
        list(taken(stream([2, 3]), SCHEMA, np.array([1, 9]), [2]))
