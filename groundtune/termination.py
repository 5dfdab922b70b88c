"""A task that is cancelled (SIGTERM) still ends what it started elsewhere: other processes, a job on the cluster."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def terminates_as_exit() -> Iterator[None]:
    """While the block runs, SIGTERM raises SystemExit in it, so that its `finally` clauses run."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread hears signals
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
