"""Getting figures to the server without ever holding up, or losing, the work they describe.

Decision (ours): once a stage has started, a failing MLflow costs figures, not GPU hours. A write that fails stays in a
queue; the server is asked again with the next write, but not before a growing pause is over, and a last time when the
stage ends. The first failure and everything that was lost for good are each said once. Every write carries its own
timestamp, so sending it twice stores it once.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable

from groundtune.errors import TrackingError
from groundtune.tracking.place import Place, RefusedError, patience, reported
from groundtune.tracking.redaction import scrub

_PAUSE, _LONGEST_PAUSE = 20.0, 600.0  # seconds without a new attempt after a failure; doubles up to the longest
_LAST_ATTEMPTS = 3
_TIMEOUT, _UPLOAD_TIMEOUT = 8, 120  # seconds a request
_CAPACITY = 20_000  # writes kept while the server is away


class Delivery:
    """An ordered queue of writes to one server."""

    def __init__(self, place: Place, stage: str):
        self.place, self.stage = place, stage
        self._waiting: deque[tuple[Callable[[], object], int]] = deque()
        self._dropped = 0
        self._not_before = 0.0
        self._pause = _PAUSE
        self._warned = False
        self._owner = os.getpid()

    def send(self, write: Callable[[], object], upload: bool = False) -> None:
        """Do this write, after those that still wait; never raises for a server that fails."""
        if os.getpid() != self._owner:  # a forked data worker must not log in its parent's name
            return
        if len(self._waiting) >= _CAPACITY:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append((write, _UPLOAD_TIMEOUT if upload else _TIMEOUT))
        if time.monotonic() >= self._not_before:
            self._flush()

    def close(self) -> None:
        """Try what still waits a last few times, then say what was lost."""
        for attempt in range(_LAST_ATTEMPTS):
            if self._flush():
                break
            if attempt + 1 < _LAST_ATTEMPTS:
                time.sleep(1.0)
        lost = self._dropped + len(self._waiting)
        if lost:
            _shout(
                f"{self.stage}: {lost} writes to MLflow at {self.place.uri} were lost; the stage's own result is whole"
            )

    def _flush(self) -> bool:
        while self._waiting:
            write, timeout = self._waiting[0]
            try:
                with patience(timeout, retries=1), reported(self.place, "write to"):
                    write()
            except RefusedError as error:  # sending it again would only block what waits behind it
                _shout(f"{self.stage}: {error}. This write is dropped, the stage goes on")
            except TrackingError as error:
                self._not_before = time.monotonic() + self._pause
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                if not self._warned:
                    self._warned = True
                    _shout(f"{self.stage}: {error}. The stage goes on; figures wait and are sent again later")
                return False
            self._waiting.popleft()
        return True


def _shout(text: str) -> None:
    print(f"WARNING: {scrub(text)}", file=sys.stderr, flush=True)
