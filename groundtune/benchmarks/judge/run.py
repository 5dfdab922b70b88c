"""One call of the judge: what failed in it, and when it is no use to go on."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager

from groundtune.benchmarks.judge.client import Client, Fatal
from groundtune.benchmarks.judge.endpoint import Endpoint
from groundtune.benchmarks.judge.retry import Pace, Stopped
from groundtune.benchmarks.judge.verdict import Verdict
from groundtune.errors import JudgeError
from groundtune.settings.judge import JudgeSettings

_IN_A_ROW = 3  # records that fail for good one after the other: the server is gone, the rest would only take hours
_RESTART = "what was judged is in the cache, a restart asks only for what is missing"


class Run:
    """Pace, client and failures that the threads of one call share."""

    def __init__(self, settings: JudgeSettings, endpoint: Endpoint):
        self.pace = Pace(settings.requests_per_minute)
        self.client = Client(settings, endpoint, self.pace)
        self._lock = threading.Lock()
        self._failed: list[JudgeError] = []
        self._in_a_row = 0
        self._end: BaseException | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around the judging of one record: a failure of this record is noted, any other ends the run."""
        try:
            yield
        except Stopped:
            pass
        except Fatal as error:
            self._stop(JudgeError(f"{error.problem}; {_RESTART}", error.record_id))
        except JudgeError as error:
            self._note(error)
        except BaseException as error:
            self._stop(error)

    def succeeded(self, verdict: Verdict) -> None:
        """A reply out of the cache says nothing about the server."""
        with self._lock:
            self._in_a_row = self._in_a_row if verdict.cached else 0

    def collected(self, future: "Future[Verdict | None]") -> Verdict | None:
        """The verdict; None once a record failed. Raises what ended the run."""
        try:
            verdict = future.result()
        except CancelledError:
            verdict = None
        if self._end is not None:
            raise self._end
        return verdict if not self._failed else None

    def raise_failures(self) -> None:
        """Raises JudgeError when records failed for good."""
        if not self._failed:
            return
        first, others = self._failed[0], len(self._failed) - 1
        more = f"; so did {others} more records" if others else ""
        raise JudgeError(f"{first.problem}{more}; {_RESTART}", first.record_id)

    def _note(self, error: JudgeError) -> None:
        with self._lock:
            self._failed.append(error)
            self._in_a_row += 1
            gone = self._in_a_row >= _IN_A_ROW
        if gone:
            words = f"{error.problem}; {_IN_A_ROW} records in a row failed, so the rest was not asked; {_RESTART}"
            self._stop(JudgeError(words, error.record_id))

    def _stop(self, error: BaseException) -> None:
        with self._lock:
            self._end = self._end or error
        self.pace.stop()
