"""The selection over rows that lie in memory, without an artifact around them."""

import pyarrow as pa

from groundtune.artifacts import plain_rows
from groundtune.preferences.pairing import select
from groundtune.preferences.score_columns import columns_of
from groundtune.preferences.selection import SIDES, dropped_rows, pair_rows
from groundtune.records import SCORES


def selected(rows, settings, batch=4):
    """(rows of pairs, rows of dropped prompts) of rows of a scores artifact, given in batches of that size."""
    table = pa.Table.from_pylist(rows, schema=SCORES)
    columns = columns_of(table, settings)
    chosen = select(columns, settings)
    batches = table.select(list(SIDES)).to_batches(batch)
    pairs = [row for part in pair_rows(batches, columns, chosen) for row in plain_rows(part)]
    return pairs, plain_rows(dropped_rows(chosen))
