"""Streams of rows, in bounded memory: cut anew, and taken in another order."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_PLACE = "place"  # column of a waiting row's place in the new order


def chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema, size: int) -> Iterator[pa.Table]:
    """The rows in tables of exactly `size`, the last one shorter; of an empty stream a single table without rows."""
    waiting: list[pa.RecordBatch] = []
    count, given = 0, False
    for batch in batches:
        while count + len(batch) >= size:
            head, batch = batch[: size - count], batch[size - count :]
            yield pa.Table.from_batches([*waiting, head], schema)
            waiting, count, given = [], 0, True
        waiting.append(batch)
        count += len(batch)
    if count or not given:
        yield pa.Table.from_batches(waiting, schema)


def taken(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, wanted: NDArray[np.int64], ends: Sequence[int]
) -> Iterator[pa.Table]:
    """Rows number wanted[0], wanted[1], ... of a stream, as tables of wanted[:ends[0]], wanted[ends[0]:ends[1]], ...

    The stream is read once. What is wanted of it waits in a temporary file, sorted by table, so that one table is in
    memory at a time, in whatever order the rows come. wanted: row numbers in any order, repeated or not. Raises
    IndexError when the stream is shorter than they say.
    """
    by_source = np.argsort(wanted, kind="stable")
    sources = wanted[by_source]
    blocks: list[list[int]] = [[] for _ in ends]  # of each table, in the file
    with tempfile.TemporaryDirectory() as folder:
        file, written, first = f"{folder}/waiting.arrow", 0, 0
        with pa.ipc.new_file(file, schema.append(pa.field(_PLACE, pa.int64()))) as waiting:
            for batch in batches:
                span = slice(*np.searchsorted(sources, [first, first + len(batch)]))
                places, rows = by_source[span], sources[span] - first
                tables = np.searchsorted(ends, places, side="right")
                for index in np.unique(tables).tolist():
                    here = tables == index
                    found = batch.take(pa.array(rows[here]))
                    waiting.write_batch(found.append_column(_PLACE, pa.array(places[here])))
                    blocks[index].append(written)
                    written += 1
                first += len(batch)
        if sources.size and sources[-1] >= first:
            raise IndexError(f"row {sources[-1]} of a stream of {first}")
        with pa.OSFile(file) as source, pa.ipc.open_file(source) as waiting:
            for numbers in blocks:
                table = pa.Table.from_batches([waiting.get_batch(number) for number in numbers], waiting.schema)
                order = pa.array(np.argsort(table[_PLACE].to_numpy()))
                yield table.drop_columns([_PLACE]).combine_chunks().take(order)
