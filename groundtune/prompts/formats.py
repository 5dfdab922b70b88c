"""Readers of prompt and preference files: JSONL, Parquet, JSON lists, LLaVA conversations. They only read; `prepare`
judges. Parquet and JSONL are streamed: a preference set with embedded images does not fit into memory.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundtune.errors import RecordError, SettingError
from groundtune.prompts.kept_rows import are_kept_rows, read_kept_rows, with_ids_of_their_own
from groundtune.prompts.preferences import in_our_words

IMAGE_TOKEN = "<image>"
Raw = dict[str, Any]


@dataclass(frozen=True)
class ReadRow:
    """One row as found: its place ("prompts.jsonl:418"), and either its fields or what is wrong with it."""

    place: str
    fields: Raw
    error: RecordError | None = None


def read_rows(file: Path) -> Iterator[ReadRow]:
    """All rows of a prompt file, the unreadable ones included.

    .jsonl: an object a line. .json: a list of objects or of LLaVA conversations. .parquet: columns of the same
    names, or rows that were kept as they were read (kept_rows.py), where an id that repeats is told apart.
    Rows of the known preference sets come out under our names (preferences.py).
    Raises SettingError when the file as a whole is not of these formats.
    """
    suffix = file.suffix.lower()
    if suffix == ".jsonl":
        yield from _read_jsonl(file)
    elif suffix == ".json":
        yield from _read_llava(file)
    elif suffix == ".parquet":
        yield from _read_parquet(file)
    else:
        raise SettingError("prompts", file.name, "a .jsonl, .json (LLaVA conversations) or .parquet file")


def count_rows(file: Path) -> int:
    """About how many rows `read_rows` will give, for a progress line; nothing is decoded."""
    if file.suffix.lower() == ".parquet":
        return int(_parquet(file).metadata.num_rows)
    if file.suffix.lower() == ".jsonl":
        with file.open("rb") as stream:
            return sum(1 for line in stream if line.strip())
    return sum(1 for _ in read_rows(file))


def _read_jsonl(file: Path) -> Iterator[ReadRow]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            place = f"{file.name}:{number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield _unreadable(place, f"not JSON: {str(error)[:200]}")
                continue
            yield from _object(place, value)


def _read_parquet(file: Path) -> Iterator[ReadRow]:
    if are_kept_rows(_parquet(file).schema_arrow):
        yield from (ReadRow(*kept) for kept in with_ids_of_their_own(read_kept_rows(_batches(file))))
        return
    number = 0
    for batch in _batches(file):
        for row in batch.to_pylist():
            number += 1
            yield from _object(f"{file.name}:{number}", row)


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    try:
        yield from _parquet(file).iter_batches(batch_size=64)
    except (pa.ArrowInvalid, OSError) as error:
        raise SettingError("prompts", file.name, f"a Parquet file whose every part can be read ({error})") from error


def _parquet(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise SettingError("prompts", file.name, f"a Parquet file ({error})") from error


def _read_llava(file: Path) -> Iterator[ReadRow]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingError("prompts", file.name, f"a JSON list of LLaVA conversations ({error})") from error
    if not isinstance(rows, list):
        raise SettingError("prompts", file.name, "a JSON list of LLaVA conversations")
    for number, row in enumerate(rows, 1):
        place = f"{file.name}:{number}"
        if not isinstance(row, dict) or "conversations" not in row:
            yield from _object(place, row)
            continue
        yield _from_conversation(place, row)


def _from_conversation(place: str, row: Raw) -> ReadRow:
    """First human turn -> instruction (its `<image>` taken out), first gpt turn -> reference answer."""
    identity = str(row.get("id", place))
    turns = row["conversations"]
    if not isinstance(turns, list) or not all(isinstance(t, dict) and "value" in t for t in turns):
        problem = "expected a list of turns with `from` and `value`"
        return ReadRow(place, row, RecordError(identity, "conversations", problem, place))
    human = next((str(t["value"]) for t in turns if t.get("from") in ("human", "user")), None)
    answer = next((str(t["value"]) for t in turns if t.get("from") in ("gpt", "assistant")), "")
    if human is None:
        problem = "no turn of `human`: nothing to ask"
        return ReadRow(place, row, RecordError(identity, "conversations", problem, place))
    if human.count(IMAGE_TOKEN) != 1:
        problem = f"the human turn holds {human.count(IMAGE_TOKEN)} {IMAGE_TOKEN}, expected exactly one"
        return ReadRow(place, row, RecordError(identity, "conversations", problem, place))
    fields = {key: value for key, value in row.items() if key != "conversations"}
    instruction = human.replace(IMAGE_TOKEN, "", 1).strip()
    return ReadRow(place, {**fields, "instruction": instruction, "reference_answer": answer})


def _object(place: str, value: Any) -> Iterator[ReadRow]:
    if isinstance(value, dict):
        try:
            yield ReadRow(place, in_our_words(value, place))
        except RecordError as error:
            yield ReadRow(place, value, error)
    else:
        yield _unreadable(place, f"a {type(value).__name__}, expected an object with id, image and instruction")


def _unreadable(place: str, problem: str) -> ReadRow:
    return ReadRow(place, {}, RecordError(place, "row", problem, place))
