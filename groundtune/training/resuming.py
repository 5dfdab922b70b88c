"""Where an unfinished training goes on."""

import shutil
from pathlib import Path

from groundtune.progress import say
from groundtune.training import kept_checkpoints
from groundtune.training.callbacks import last_complete_checkpoint


def last_checkpoint(stage: str, folder: Path, remote: str) -> Path | None:
    """The newest whole checkpoint, fetched from the s3:// prefix `remote` if there is one; others are deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    if remote:
        kept_checkpoints.take_back(remote, folder, stage)
    newest = last_complete_checkpoint(folder)
    for path in folder.glob("checkpoint-*"):
        if path != newest:
            shutil.rmtree(path)
    if newest:
        say(stage, f"goes on from step {newest.name.rpartition('-')[2]}")
    return newest
