"""close_run: the exit handler. The final status goes to MLflow, a page tells how the run ended, scratch is cleaned.

It runs after success, failure and cancellation, and reads what the stages wrote down themselves (`tracking.ledger`): of
a run that failed there is no report, and this page takes its place.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundtune import storage, tracking
from groundtune.errors import GroundtuneError
from groundtune.progress import say
from groundtune.report.run_end import RunEnd, write_run_end
from groundtune.retraining.closing import leave
from groundtune.tracking import ledger

STAGE = "close_run"
PAGE = "run.html"
# KFP's words -> MLflow's. kfp.local has those of the API, the backend those of its metadata store.
STATUS = {
    **dict.fromkeys(("SUCCEEDED", "COMPLETE", "CACHED"), "FINISHED"),
    **dict.fromkeys(("FAILED", "SKIPPED"), "FAILED"),
    **dict.fromkeys(("CANCELLED", "CANCELED", "CANCELING"), "KILLED"),
}


@contextmanager
def _told(end: RunEnd, what: str) -> Iterator[None]:
    try:
        yield
    except GroundtuneError as error:
        end.troubles.append(f"{what}: {error}")
        say(STAGE, end.troubles[-1])


def run(
    state: str,
    error: str | None,
    page: str | Path,
    summary: str | Path,
    title: str = "",
    *,
    over_nodes: bool = False,
    rounds: str = "",
) -> RunEnd:
    """Write page (HTML) and summary (Markdown), end the run in MLflow, and clean up after one that succeeded.

    state: how the pipeline ended, in KFP's words (`STATUS`); by another word, the stages' notes decide, and nothing is
    cleaned. error: its message, if any.
    over_nodes: the run may have started TrainJobs; those that are left are deleted, for their GPUs' sake.
    rounds: where the rounds of a retraining are kept; its lease is given back, its round ended if it failed.
    What cannot be reached is told on the page and left out: a run that failed because its store or its tracking server
    is away still gets its page.
    """
    run_id = os.environ.get("GROUNDTUNE_RUN_ID", "")
    end = RunEnd(title or run_id or "Run", STATUS.get(state, ""), error or "")
    with _told(end, "the notes of the stages could not be read"):
        end.stages = ledger.stages(run_id)
        end.unfinished = ledger.unfinished(run_id)
        end.kept_at = storage.state_root()
    if not end.status:
        end.status = "FAILED" if error or end.failed else "FINISHED"
        end.troubles.append(f"Kubeflow Pipelines says {state!r}, which tells nothing of the end; scratch is kept")
    elif end.status == "FINISHED":
        with _told(end, "scratch was not removed"):
            removed = ledger.clean(run_id)
            end.unfinished = [name for name in end.unfinished if name not in removed]
    if over_nodes:
        from groundtune.cluster.train import end_jobs  # needs the Kubernetes client

        with _told(end, "TrainJobs of this run may go on"):
            for name in end_jobs():
                say(STAGE, f"{name}: left behind, deleted")
    if rounds:
        with _told(end, f"the lease in {rounds} may be held until it runs out"):
            if words := leave(rounds, run_id, end.status, end.reason):
                say(STAGE, words)
    write_run_end(end, page, summary)
    with _told(end, "the final status is not in MLflow"):
        tracking.close(end.status, end.reason, [Path(page)])
    if end.troubles:
        write_run_end(end, page, summary)  # what has come up since
    say(STAGE, end.sentence)
    return end
