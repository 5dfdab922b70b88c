"""Follow a run to its end, and have it tried again when it failed."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.submission.connection import Cluster, ClusterError
from pipelines.submission.tasks import CHECKS, failures, progress_line

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
POLL_SECONDS = 10.0
PATIENCE = 30  # questions in a row that may stay unanswered: five minutes
_PASSES = (0, 429, 500, 502, 503, 504)  # what an API server that restarts answers


def follow(
    cluster: Cluster,
    run_id: str,
    stages: Mapping[str, str],
    say: Callable[[str], None],
    retries: int = 0,
    poll_seconds: float = POLL_SECONDS,
) -> bool:
    """Wait for the end of a run, say what changes, and return whether it succeeded.

    retries: how often a failed run is tried again. Tasks that succeeded keep their outputs; the failed ones go on from
    GROUNDTUNE_STATE. It is for lost nodes and spot pools: Argo's own retries start a failed container again, not one
    whose node is gone. A run whose check of its settings failed is not tried again.
    """
    said, before = "", None
    while True:
        run = _patiently(cluster, run_id, poll_seconds)
        line = progress_line(run, stages)
        if line != said:
            say(line)
            said = line
        if run.state in ENDED and _attempt(run) != before:
            if run.state == "SUCCEEDED":
                return True
            failed = failures(run, stages)
            _say_why(run, failed, say)
            if run.state != "FAILED" or not retries:
                return False
            if set(failed) & set(CHECKS):
                say("not tried again: a setting has to change first")
                return False
            retries, before = retries - 1, _attempt(run)
            _try_again(cluster, run_id, poll_seconds)
            say(f"tried again; {retries} more tries after this one")
        time.sleep(poll_seconds)


def _patiently(cluster: Cluster, run_id: str, poll_seconds: float) -> Any:
    """The run's state. An API that is away for a while does not end the waiting."""
    for left in reversed(range(PATIENCE)):
        try:
            with cluster.asking(f"ask for the run {run_id}"):
                return cluster.client.get_run(run_id)
        except ClusterError as error:
            if error.status not in _PASSES or not left:
                raise
        time.sleep(poll_seconds)
    raise AssertionError("the last attempt returns or raises")


def _try_again(cluster: Cluster, run_id: str, poll_seconds: float) -> None:
    """Ask for another attempt, and again when the API was away and the run has not started anew in the meantime."""
    for left in reversed(range(PATIENCE)):
        try:
            with cluster.asking("try the run again"):
                cluster.client.runs.run_service_retry_run(run_id)
            return
        except ClusterError as error:
            if error.status not in _PASSES or not left:
                raise
        time.sleep(poll_seconds)
        if _patiently(cluster, run_id, poll_seconds).state not in ENDED:
            return


def _attempt(run: Any) -> tuple[Any, int]:
    """Which attempt has ended: for a moment after a retry, the API still tells of the one before."""
    return run.finished_at, len(run.state_history or [])


def _say_why(run: Any, failed: Mapping[str, str], say: Callable[[str], None]) -> None:
    for name, words in failed.items():
        say(f"failed     {name}: {words}")
    if run.error and run.error.message:
        say(f"failed     the run: {' '.join(run.error.message.split())}")
