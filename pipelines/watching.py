"""How far a comparison on this machine is: a line whenever a method is trained, with what is left."""

import logging
import os
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from groundtune.errors import StorageError
from groundtune.progress import Progress
from groundtune.tracking import ledger

STAGE, TASK = "train_method", "train-method"
EVERY = 3.0  # seconds between looks at the notes


class KeptTasks(logging.Filter):
    """Counts the trainings that kfp.local took from its cache: only it knows which settings they were made with."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        self.count += record.getMessage().startswith(f"Task {TASK} cache hit")
        return True


@contextmanager
def told_how_far(trainings: Collection[str]) -> Iterator[None]:
    """While the block runs, count the trainings that the tasks of the work folder finish.

    trainings: "<method> <seed>" of all. Those that an earlier run left an adapter of count, but not in the rate.
    """
    kept, ended = KeptTasks(), threading.Event()
    logging.getLogger().addFilter(kept)
    watcher = threading.Thread(target=_watch, args=(set(trainings), kept, time.time(), ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        logging.getLogger().removeFilter(kept)


def _watch(trainings: set[str], kept: KeptTasks, began: float, ended: threading.Event) -> None:
    progress = Progress("compare", len(trainings), "methods trained", every=0.0)
    skipped, seen = 0, set[str]()
    while not ended.wait(EVERY):
        if (count := kept.count) > skipped:
            progress.skip(count - skipped)
            skipped = count
        if new := (_trained(began) & trainings) - seen:
            progress.add(len(new))
            seen |= new


def _trained(began: float) -> set[str]:
    """The trainings that ended well since `began`, Unix time, as far as the run's notes can be read now."""
    try:
        notes = ledger.stages(os.environ.get("GROUNDTUNE_RUN_ID", ""))
    except (StorageError, OSError):
        return set()
    done = (note.stage for note in notes if note.status == "FINISHED" and note.ended >= began)
    return {stage.removeprefix(f"{STAGE} ") for stage in done if stage.startswith(f"{STAGE} ")}
