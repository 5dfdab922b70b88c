"""Checkpoints that outlive their node: copied to an s3:// state prefix, and taken back only when whole.

The mark COMPLETE is written last and taken away first. It lists the files with their sha256, so a checkpoint that was
half copied, half deleted, or written by two pods at once is not one.
"""

import json
import shutil
from pathlib import Path

from groundtune import storage
from groundtune.digests import digest_file
from groundtune.progress import say

COMPLETE = "COMPLETE"


def mark(checkpoint: Path) -> None:
    """Say of a local checkpoint that it is whole."""
    files = {name: digest_file(checkpoint / name) for name in storage.list_files(str(checkpoint)) if name != COMPLETE}
    partial = checkpoint / f".{COMPLETE}"
    partial.write_text(json.dumps(files, indent=1))
    partial.replace(checkpoint / COMPLETE)


def keep(checkpoint: Path, remote: str) -> None:
    """Copy a marked checkpoint below `remote`, in place of what an earlier pod left there under its name, and delete
    those that are no longer kept here."""
    target = storage.join(remote, checkpoint.name)
    storage.remove(target)
    storage.publish_folder(checkpoint, target, last=COMPLETE)
    for name in _names(remote):
        if not (checkpoint.parent / name).exists():  # as save_total_limit did here
            storage.remove(storage.join(remote, name))


def take_back(remote: str, folder: Path, stage: str) -> None:
    """Fetch the newest whole checkpoint below `remote` into `folder`, and the files beside them. stage: who says so."""
    beside = [name for name in storage.list_files(remote) if "/" not in name]
    storage.fetch_files((storage.join(remote, name), folder / name) for name in beside)
    for name in sorted(_names(remote), key=lambda name: int(name.rpartition("-")[2]), reverse=True):
        place, target = storage.join(remote, name), folder / name
        files = storage.list_files(place)
        if COMPLETE not in files:
            continue
        storage.fetch_files((storage.join(place, file), target / file) for file in files)
        listed = json.loads((target / COMPLETE).read_text())
        if all((target / file).is_file() and digest_file(target / file) == digest for file, digest in listed.items()):
            return
        say(stage, f"{place} is not what its mark says; an older checkpoint is taken")
        shutil.rmtree(target)


def _names(remote: str) -> set[str]:
    """checkpoint-<step> below a prefix, whole or not."""
    return {name.split("/")[0] for name in storage.list_files(remote) if name.startswith("checkpoint-")}
