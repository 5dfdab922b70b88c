"""Asking a store again: what may pass by itself, how long to wait, when to give up.

Waits grow with full jitter (uniform between 0 and a doubling bound), so that the shards of a stage that lost the store
together do not come back together. What counts is the time since a transfer last went forward, not the number of tries:
a store that is restarted within the patience costs a pause and nothing else.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TypeVar

from groundtune.errors import SettingError
from groundtune.progress import say
from groundtune.storage.failures import as_storage_error, may_pass

T = TypeVar("T")

PATIENCE = 300.0  # seconds
CHECK_PATIENCE = 15.0  # of a check before any expensive work, for `patience`: it has to say soon what is wrong
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0  # seconds, bounds of the jitter
_QUIET = 5.0  # seconds of trouble before a log hears of it
_PAUSE = 60.0  # seconds between two such lines of a process, whose threads lose the store together
_said, _saying = float("-inf"), Lock()
_limit: ContextVar[float | None] = ContextVar("patience", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within the block, or the function so decorated, the store is given at most so long."""
    before = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(before)


class Retry:
    """One request or transfer that is tried again. `action` and `uri` are for the error: cannot <action> <uri>."""

    def __init__(self, action: str, uri: str):
        self.action, self.uri = action, uri
        self._patience = _patience()
        self.went_forward()

    def went_forward(self) -> None:
        """Something arrived: the clock and the waits start anew."""
        self._trouble_since: float | None = None
        self._attempt = 0

    def wait_or_raise(self, error: Exception) -> None:
        """Sleeps before the next try. Raises StorageError when trying again cannot help, StoreUnavailable when the
        patience is over."""
        if not may_pass(error):
            known = as_storage_error(error, self.action, self.uri)
            if known is error:
                raise error
            raise known from error
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        left = self._trouble_since + self._patience - now
        if left <= 0:
            raise as_storage_error(error, self.action, self.uri, now - self._trouble_since) from error
        if now - self._trouble_since > _QUIET and _may_say(now):
            say("storage", f"the store does not answer; trying to {self.action} {self.uri} for {left:.0f} s more")
        # Exponent bounded: hours of patience are hundreds of tries.
        bound = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._attempt, 10))
        self._attempt += 1
        time.sleep(min(random.uniform(0, bound), left))


def repeat(action: str, uri: str, act: Callable[[], T]) -> T:
    """The result of `act`, which is called until it succeeds or the patience is over."""
    retry = Retry(action, uri)
    while True:
        try:
            return act()
        except Exception as error:
            retry.wait_or_raise(error)


def _may_say(now: float) -> bool:
    global _said
    with _saying:
        quiet = now - _said < _PAUSE
        _said = _said if quiet else now
    return not quiet


def _patience() -> float:
    """Seconds: GROUNDTUNE_S3_PATIENCE, or less inside a block of `patience`."""
    text = os.environ.get("GROUNDTUNE_S3_PATIENCE") or str(PATIENCE)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingError("GROUNDTUNE_S3_PATIENCE", text, "a number of seconds from 0", "the environment")
    limit = _limit.get()
    return seconds if limit is None else min(seconds, limit)
