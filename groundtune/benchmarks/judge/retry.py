"""When to ask again: Retry-After, exponential backoff with jitter, and one pace for all threads."""

import random
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from groundtune.settings.judge import JudgeSettings

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header: whole or broken seconds, or an HTTP date; None when absent or unreadable."""
    if not value or not value.strip():
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value.strip())
        except ValueError:
            return None
        if until.tzinfo is None:  # "-0000", a date of no known zone: HTTP dates are GMT
            until = until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


def backoff(settings: JudgeSettings, failures: int) -> float:
    """Seconds to wait after that many failures in a row, 1 or more: doubling up to the limit, half of it by chance, so
    that threads that failed together do not come back together."""
    whole = min(settings.backoff_limit, settings.backoff_base * 2.0 ** min(failures - 1, 32))
    return whole * (0.5 + 0.5 * random.random())


class Stopped(Exception):
    """The run ends; what waits need not go on."""


class Pace:
    """Lets requests of all threads go: at most N a minute, evenly, none before the end of a pause."""

    def __init__(self, requests_per_minute: int):
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def wait_for_turn(self) -> None:
        """Returns when a request may go. Raises Stopped."""
        while True:
            with self._lock:
                now = time.monotonic()
                if now >= self._next:
                    self._next = max(self._next, now) + self._gap if self._gap else self._next
                    break
                delay = self._next - now
            self.sleep(delay)
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """No request of any thread goes before that."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Waits. Raises Stopped at once when the run ends."""
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        self._stop.set()
