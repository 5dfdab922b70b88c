"""What a pipeline run has done and what it left unfinished, with or without a tracking server.

Below the state root, `runs/<run id>/` holds one small JSON file for every stage and shard that ended, and an empty file
for every artifact that is half done (`open/`) or whole (`whole/`), whose parts wait below the root as well. The exit
handler reads it: of a run whose report was never made, it is all there is.
Off when GROUNDTUNE_STATE or GROUNDTUNE_RUN_ID is not set, and in a distributed worker that is not rank 0.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from groundtune import storage
from groundtune.errors import StorageError
from groundtune.termination import terminates_as_exit
from groundtune.tracking.redaction import scrub
from groundtune.tracking.values import error_text

RUNS = "runs"


@dataclass
class StageNote:
    """How one stage, or one shard of it, ended. status: FINISHED, FAILED or KILLED. figures: its final scalars."""

    stage: str
    shard: tuple[int, int]
    status: str = "FAILED"
    seconds: float = 0.0
    ended: float = 0.0  # Unix time
    error: str = ""
    figures: dict[str, float] = field(default_factory=dict)


# The note of the stage that runs, and whether it keeps its name.
_open: ContextVar[tuple[StageNote, bool] | None] = ContextVar("the note of the stage that runs", default=None)


@contextmanager
def noted(stage: str, shard: tuple[int, int] = (0, 1), fixed: bool = False) -> Iterator[StageNote]:
    """Write down how the block ended; inside another such block it is that one's note, which now has this name unless
    it is `fixed`, as that of a task that runs several stages. A store that fails costs the note, never the stage. As a
    decorator, `@noted(STAGE)`, it tells of what fails before a stage knows its shard, too.
    """
    outer = _open.get()
    if outer is not None:
        note, named = outer
        if not named:
            note.stage, note.shard = stage, shard
        inside = _open.set((note, named or fixed))
        try:
            yield note
        finally:
            _open.reset(inside)
        return
    note = StageNote(stage, shard)
    began = time.monotonic()
    token = _open.set((note, fixed))
    try:
        with terminates_as_exit():
            yield note
        note.status = "FINISHED"
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            note.status = "KILLED"
        note.error = error_text(error)
        raise
    finally:
        _open.reset(token)
        note.seconds, note.ended = time.monotonic() - began, time.time()
        _write(_name(note.stage, note.shard), json.dumps(asdict(note)))
        if note.status == "FINISHED" and (folder := _folder()):  # an earlier attempt may have failed before it had both
            for name in {_name(stage, (0, 1))} - {_name(note.stage, note.shard)}:
                _forgiving(lambda name=name: storage.remove(storage.join(folder, name)))  # type: ignore[misc]


def task() -> str:
    """The name of the task that runs several stages, "" in one that runs a single one."""
    outer = _open.get()
    return outer[0].stage if outer and outer[1] else ""


def opened(location: str) -> None:
    """An artifact begins to keep its parts at this place below the state root."""
    if name := _below_root(location):
        _write(f"open/{name}", "")


def whole(location: str) -> bool:
    """The artifact is whole. True when its parts stay until this run ends; False when nobody would remove them then."""
    folder, name = _folder(), _below_root(location)
    if not (folder and name):
        return False
    _write(f"whole/{name}", "")
    _forgiving(lambda: storage.remove(storage.join(folder, f"open/{name}")))
    return True


def stages(run_id: str) -> list[StageNote]:
    """The stages of a run that ended, in the order of their end."""
    folder = folder_of(run_id)
    if not folder:
        return []
    found = []
    for name in storage.list_files(storage.join(folder, "stages")):
        values: dict[str, Any] = json.loads(storage.read_bytes(storage.join(folder, f"stages/{name}")))
        index, count = values.pop("shard")
        found.append(StageNote(shard=(int(index), int(count)), **values))
    return sorted(found, key=lambda note: note.ended)


def unfinished(run_id: str) -> list[str]:
    """Places below the state root where this run's unfinished artifacts wait, for the same work to go on."""
    folder = folder_of(run_id)
    return storage.list_files(storage.join(folder, "open")) if folder else []


def clean(run_id: str) -> list[str]:
    """Remove this run's notes and the parts of its artifacts, but those that another run has too. Returns what was
    removed. For a run that ended well: a run that failed goes on from them."""
    folder = folder_of(run_id)
    if not folder:
        return []
    root = storage.state_root()
    mine: set[str] = set()
    others: set[str] = set()
    for file in storage.list_files(storage.join(root, RUNS)):
        run, kind, name = (*file.split("/"), "", "")[:3]
        if kind in ("open", "whole"):
            (mine if run == _plain(run_id) else others).add(name)
    removed = sorted(mine - others)
    for name in removed:
        storage.remove(storage.join(root, name))
    storage.remove(folder)
    return removed


def folder_of(run_id: str) -> str:
    """Where a run's notes are; "" when none are kept."""
    root = storage.state_root()
    return storage.join(root, f"{RUNS}/{_plain(run_id)}") if root and run_id else ""


def _folder() -> str:
    return folder_of(os.environ.get("GROUNDTUNE_RUN_ID", "")) if os.environ.get("RANK", "0") == "0" else ""


def _name(stage: str, shard: tuple[int, int]) -> str:
    return f"stages/{_plain(stage)}-{shard[0]:04d}-of-{shard[1]:04d}.json"


def _below_root(location: str) -> str:
    """The artifact's name below the state root; "" for one that is kept elsewhere."""
    root = storage.state_root().rstrip("/")
    name = location.removeprefix(f"{root}/") if root else location
    return name if name != location and "/" not in name else ""


def _plain(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text).lstrip(".") or "_"


def _write(name: str, text: str) -> None:
    folder = _folder()
    if not folder:
        return

    def publish() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "note"
            file.write_text(text)
            storage.publish_file(file, storage.join(folder, name))

    _forgiving(publish)


def _forgiving(change: Callable[[], None]) -> None:
    try:
        with storage.patience(storage.CHECK_PATIENCE):  # a pod that is told to end has seconds
            change()
    except StorageError as error:
        print(f"WARNING: the notes of this run are behind: {scrub(str(error))}", file=sys.stderr, flush=True)
