"""What arrived since the last round: every row below a folder or prefix is taken by exactly one round that is done.

A round is begun by one file and ended by another, each created once, whoever asks first (storage.publish_once):

    <root>/00007/<claim>/rows.parquet   the rows it takes, kept as they were read
    <root>/00007/<claim>/records.bin    their digests, 16 bytes each
    <root>/00007/<claim>/known.bin      digests of all rows that earlier rounds are done with
    <root>/00007/begun.json             which claim holds; from here on the round's rows are fixed
    <root>/00007/ended.json             done, or failed

Rows are known by their content, not by file, place or time: late files, rewritten files and copies need no care. A
round that was killed is gone on with, with the rows it had. The rows of a failed round are the next round's, even if
their file is gone by then. A file whose version is known is not read again.
"""

import contextlib
import itertools
import json
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from groundtune import storage
from groundtune.digests import digest_of
from groundtune.errors import RecordError, SettingError, StorageError
from groundtune.prompts.formats import read_rows
from groundtune.prompts.kept_rows import Kept, as_they_were, record_digest, write_kept_rows

DONE, FAILED = "done", "failed"
SUFFIXES = (".jsonl", ".json", ".parquet")
_BEGUN, _ENDED = "begun.json", "ended.json"
_ROWS, _RECORDS, _KNOWN = "rows.parquet", "records.bin", "known.bin"
_DIGEST = 16  # bytes
_LONGEST_NAME = 160  # bytes of a file's name; 255 are the most, and a download is called a little more at first


@dataclass(frozen=True)
class Round:
    """number: from 1. rows: where its rows are, a prompt file that `prepare_prompts` reads. new, again, unreadable:
    rows that it takes; rows of files it read that were taken before or stood there twice; and how many of the new ones
    are no prompts at all. ended: DONE, FAILED or "" while it runs. files: name -> version, of all files that this round
    and those before it have read."""

    number: int
    rows: str
    new: int
    again: int
    unreadable: int
    ended: str
    files: dict[str, str]
    place: str
    claim: str


class Rounds:
    """The rounds below a folder or s3:// prefix."""

    def __init__(self, root: str):
        self.root = root

    def place(self, number: int) -> str:
        """The folder of a round."""
        return storage.join(self.root, f"{number:05d}")

    def numbers(self) -> list[int]:
        """Of all rounds that were begun, rising."""
        return sorted(
            int(name.partition("/")[0]) for name in storage.list_files(self.root) if name.endswith(f"/{_BEGUN}")
        )

    def last(self) -> Round | None:
        """The newest round, None before the first."""
        numbers = self.numbers()
        return self.read(numbers[-1]) if numbers else None

    def notes(self, number: int) -> dict[str, Any]:
        """What a round's two files say: begun, new, again, unreadable; state, why and ended, "" while it runs."""
        place = self.place(number)
        begun = json.loads(storage.read_bytes(storage.join(place, _BEGUN)))
        file = storage.join(place, _ENDED)
        ended = json.loads(storage.read_bytes(file)) if storage.exists(file) else {}
        names = ("begun", "new", "again", "unreadable")
        return {**{name: begun[name] for name in names}, **{n: ended.get(n, "") for n in ("state", "why", "ended")}}

    def open(self, inbox: str, minimum: int = 1) -> Round | None:
        """The round to work on: the one that is not ended, else a new one of all rows below `inbox` that no round is
        done with; None when these are fewer than `minimum`, which stay where they are. Hidden files are left alone.
        Image references are relative to `inbox`, whatever folder of it the row stands in. Raises SettingError when the
        rounds are kept below the inbox: they would arrive there."""
        if f"{self.root.rstrip('/')}/".startswith(f"{inbox.rstrip('/')}/"):
            raise SettingError("rounds", self.root, f"a place outside the inbox {inbox}")
        while True:
            last = self.last()
            if last is not None and not last.ended:
                return last
            known, files = self._known(last)
            with tempfile.TemporaryDirectory() as folder:
                gathered = _Gathered(known, files)
                rows = gathered.arrived(inbox, Path(folder))
                if last is not None and last.ended == FAILED:
                    rows = itertools.chain(gathered.carried(last, Path(folder)), rows)
                new = write_kept_rows(Path(folder) / _ROWS, rows)
                if new < max(minimum, 1):
                    return None
                begun = self._begin(last.number + 1 if last else 1, Path(folder), known, gathered, new)
            if not begun.ended:  # else another process has begun and ended it since: look again
                return begun

    def end(self, one: Round, state: str, why: str = "") -> str:
        """Say how a round ended; returns what stands: who says it first is right. A round that is DONE will never give
        its rows to another one."""
        if state not in (DONE, FAILED):
            raise SettingError("state", state, f"{DONE} or {FAILED}", "a round's end")
        content = {"state": state, "why": why, "ended": _now(), "nonce": uuid.uuid4().hex}
        storage.publish_once(json.dumps(content).encode(), storage.join(one.place, _ENDED))
        for name in {name.partition("/")[0] for name in storage.list_files(one.place) if "/" in name} - {one.claim}:
            with contextlib.suppress(StorageError):  # rows that a slower or killed process gathered for the same round
                storage.remove(storage.join(one.place, name))
        return self._ended(one.place)

    def _known(self, last: Round | None) -> tuple[set[bytes], dict[str, str]]:
        """Digests of all rows that rounds are done with, and the versions of the files that hold nothing else."""
        if last is None:
            return set(), {}
        claim = storage.join(last.place, last.claim)
        known = _digests(storage.read_bytes(storage.join(claim, _KNOWN)))
        if last.ended == DONE:
            return known | _digests(storage.read_bytes(storage.join(claim, _RECORDS))), last.files
        return known, json.loads(storage.read_bytes(storage.join(last.place, _BEGUN)))["files_before"]

    def _begin(self, number: int, folder: Path, known: set[bytes], gathered: "_Gathered", new: int) -> Round:
        place, claim = self.place(number), uuid.uuid4().hex
        (folder / _RECORDS).write_bytes(b"".join(gathered.records))
        (folder / _KNOWN).write_bytes(b"".join(sorted(known)))
        for name in (_ROWS, _RECORDS, _KNOWN):
            storage.publish_file(folder / name, storage.join(storage.join(place, claim), name))
        content = {
            "claim": claim,
            "begun": _now(),
            "new": new,
            "again": gathered.again,
            "unreadable": gathered.unreadable,
            "files": gathered.files,
            "files_before": gathered.before,
        }
        storage.publish_once(json.dumps(content).encode(), storage.join(place, _BEGUN))
        return self.read(number)  # another process may have been first

    def read(self, number: int) -> Round:
        """The round of that number, one that was begun."""
        place = self.place(number)
        begun = json.loads(storage.read_bytes(storage.join(place, _BEGUN)))
        return Round(
            number=number,
            rows=storage.join(storage.join(place, begun["claim"]), _ROWS),
            new=begun["new"],
            again=begun["again"],
            unreadable=begun["unreadable"],
            ended=self._ended(place),
            files=begun["files"],
            place=place,
            claim=begun["claim"],
        )

    def _ended(self, place: str) -> str:
        file = storage.join(place, _ENDED)
        return str(json.loads(storage.read_bytes(file))["state"]) if storage.exists(file) else ""


class _Gathered:
    """The rows of a round that is being put together. known: what may not be taken. before: versions of files without
    anything new."""

    def __init__(self, known: set[bytes], before: dict[str, str]):
        self.before, self.files = before, dict(before)
        self.records: list[bytes] = []
        self.again = self.unreadable = 0
        self._taken = set(known)

    def carried(self, failed: Round, folder: Path) -> Iterator[Kept]:
        """The rows of a round that failed."""
        file = storage.fetch_file(failed.rows, folder / "carried.parquet")
        yield from self._new(as_they_were(file))

    def arrived(self, inbox: str, folder: Path) -> Iterator[Kept]:
        """The rows of all files whose version is not known. The version is asked for before the file is read: one that
        is written meanwhile has another version next time, and is read again."""
        for name, version in storage.file_versions(inbox, SUFFIXES).items():
            if any(part.startswith(".") for part in name.split("/")) or self.before.get(name) == version:
                continue
            uri = storage.join(inbox, name)
            try:  # a name of its own: it is what messages, and rows without an id, are called by
                file = storage.fetch_file(uri, folder / _called(name))
            except StorageError:
                if storage.exists(uri):
                    raise
                continue  # taken away since it was listed
            self.files[name] = version
            yield from self._new(_rows_of(file))
            file.unlink()

    def _new(self, rows: Iterable[Kept]) -> Iterator[Kept]:
        for kept in rows:
            digest = record_digest(kept)
            if digest in self._taken:
                self.again += 1
                continue
            self._taken.add(digest)
            self.records.append(digest)
            self.unreadable += kept[2] is not None
            yield kept


def _called(name: str) -> str:
    """What a file below the inbox is called here: short enough for any file system, and no other one's name."""
    flat = name.replace("/", "__")
    return flat if len(flat.encode()) <= _LONGEST_NAME else f"{digest_of(name)[:12]}-{flat[-_LONGEST_NAME // 4 :]}"


def _rows_of(file: Path) -> Iterator[Kept]:
    """The rows of a file, at last one with the reason where it is no prompt file or breaks off."""
    try:
        for row in read_rows(file):
            yield row.place, row.fields, row.error
    except SettingError as error:
        yield file.name, {}, RecordError(file.name, "file", f"expected {error.expected}", file.name)
    except (RecursionError, pa.ArrowException) as error:  # no file may stand in the way of all others
        yield file.name, {}, RecordError(file.name, "file", f"cannot be read: {type(error).__name__}", file.name)


def _digests(content: bytes) -> set[bytes]:
    return {content[start : start + _DIGEST] for start in range(0, len(content), _DIGEST)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
