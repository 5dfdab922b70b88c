"""Before a long pass: its output can be written, there is room for it, and it is not there already."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from groundtune import storage
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import MANIFEST, Artifact, read_artifact
from groundtune.errors import ArtifactError, StorageError
from groundtune.progress import say

T = TypeVar("T")


def check_places(out: str | Path) -> None:
    """Write, read back and delete a probe beside `out` and where unfinished parts wait.

    Raises StorageError that names the place: in seconds, instead of after the hours whose result could not be kept.
    """
    beside, state = str(Path(out).parent), storage.state_root()
    for place in dict.fromkeys((beside, state or beside)):
        storage.check_writable(place)


def check_room(out: str | Path, whole: int, left: int) -> None:
    """Compare the room beside `out` with the `whole` bytes of the output, and the room where unfinished parts wait with
    those of the parts that are `left`. Raises StorageError that names the place."""
    state = storage.state_root()
    beside = Path(out).parent
    wanted: dict[int, int] = {}  # file system -> bytes
    places: dict[int, Path] = {}
    waiting = [] if storage.is_s3(state) else [(Path(state) if state else beside, left)]
    for folder, size in [(beside, whole), *waiting]:
        disk = os.stat(folder).st_dev
        places.setdefault(disk, folder)
        wanted[disk] = wanted.get(disk, 0) + size
    for disk, folder in places.items():
        free = shutil.disk_usage(folder).free
        if free < wanted[disk]:
            raise StorageError(
                f"{folder}: {free / 2**20:,.0f} MiB are free, this pass writes up to {wanted[disk] / 2**20:,.0f} MiB: "
                "make room, or put the output or GROUNDTUNE_STATE elsewhere"
            )


def check_room_for(writer: ArtifactWriter, parts: Iterable[tuple[int, Sequence[T]]], size: Callable[[T], int]) -> None:
    """check_room for the numbered parts of a pass; size: bytes that one of their members takes at most."""
    sizes = {number: sum(map(size, part)) for number, part in parts}
    left = sum(taken for number, taken in sizes.items() if not writer.has_part(number))
    check_room(writer.path, sum(sizes.values()), left)


def finished(writer: ArtifactWriter, stage: str) -> Artifact | None:
    """What an earlier run of the same work left whole at the writer's place; None when there is work to do.

    The same work: equal inputs, settings, shard, and all else that the writer's manifest holds. What is there and of no
    use is told, since the pass replaces it.
    """
    if not (writer.path / MANIFEST).is_file():
        return None
    try:
        found = read_artifact(writer.path, writer.kind)
    except ArtifactError as error:
        say(stage, f"{error}: done again")
        return None
    manifest = found.manifest
    ours = {
        "settings": dict(writer.settings),
        "parents": dict(writer.parents),
        "shard": list(writer.shard),
        "extra": writer.extra,
    }
    other = [name for name, value in ours.items() if manifest[name] != value]
    if other:
        say(stage, f"{writer.path} is of other {' and '.join(other)}: done again")
        return None
    say(stage, f"{len(found):,} rows are at {writer.path} already: nothing to do")
    return found
