"""Following a run: what a person sees, when it is tried again, and how it ends."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.submission.connection import Cluster, ClusterError
from pipelines.submission.following import PATIENCE, follow
from pipelines.submission.runs import Submission, start
from pipelines.submission.tasks import stage_names
from tests.kfp_server import State
from tests.services.submission.conftest import S3

pytestmark = pytest.mark.pipeline
OK, BUSY, BROKEN = "SUCCEEDED", "RUNNING", "FAILED"


def tasks(**states: str) -> dict[str, Any]:
    found = [{"display_name": name.replace("_", "-"), "state": state} for name, state in states.items()]
    return {"run_details": {"task_details": found}}


def ended(state: str, at: str = "10", **states: str) -> dict[str, Any]:
    return {"state": state, "finished_at": f"2026-12-01T00:{at}:00Z", **tasks(**states)}


@pytest.fixture
def wanted(compiled: Path) -> Submission:
    places = {"prompts": f"{S3}p.jsonl", "images_root": S3, "model": f"{S3}m", "benchmarks_root": f"{S3}b"}
    return Submission(compiled, "mine", {**places, "scorers": {"contrastive": f"{S3}clip"}}, "groundtune", "runner")


def followed(cluster: Cluster, wanted: Submission, retries: int = 0) -> tuple[bool, list[str]]:
    said: list[str] = []
    succeeded = follow(
        cluster, start(cluster, wanted), stage_names(wanted.package), said.append, retries, poll_seconds=0.01
    )
    return succeeded, said


def test_the_names_of_the_stages_are_known_from_the_package(compiled: Path) -> None:
    names = stage_names(compiled)
    assert {"preflight", "sample-candidates", "train-dpo", "register-adapter"} <= names.keys()
    assert names["evaluate-2"] == "evaluate-aligned"
    assert not [name for name in names if name.startswith(("for-loop", "condition", "exit-handler"))]


def test_a_run_is_followed_to_its_success_and_a_line_says_what_changed(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    running = {"state": BUSY, **tasks(root_driver=OK, preflight=OK, sample_candidates=BUSY)}
    api[1].snapshots = [{"state": BUSY}, running, running, ended(OK, preflight=OK, sample_candidates=OK, evaluate_2=OK)]
    assert followed(cluster, wanted) == (
        True, ["running    0 tasks done", "running    1 tasks done; now sample-candidates", "succeeded  3 tasks done"]
    )  # fmt: skip


def test_a_failed_run_names_its_stage_and_what_the_api_knows(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    last = ended(BROKEN, root=BROKEN, for_loop_1=BROKEN, evaluate_2=BROKEN)
    last["run_details"]["task_details"] += [
        {
            "display_name": "train-dpo(0)",
            "state": BROKEN,
            "error": {"code": 13, "message": "OOMKilled (exit code 137)"},
        },
        {"display_name": "write-report-driver", "state": BROKEN},
    ]
    api[1].snapshots = [last]
    succeeded, said = followed(cluster, wanted)
    assert not succeeded
    assert [line.split(":")[0].split()[-1] for line in said[1:]] == ["evaluate-aligned", "train-dpo", "write-report"]
    assert "train-dpo: OOMKilled (exit code 137)" in said[2] and "read the task's log in the UI" in said[1]


def test_a_run_that_lost_a_node_is_tried_again_and_goes_on(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    stale = ended(BROKEN, train_dpo=BROKEN)
    api[1].snapshots = [stale, {}, {"state": BUSY}, ended(OK, "20", train_dpo=OK)]
    succeeded, said = followed(cluster, wanted, retries=2)
    assert succeeded and "tried again; 1 more tries after this one" in said
    assert len(api[1].made("RunService_RetryRun")) == 1


def test_an_api_that_is_away_when_a_run_is_to_be_tried_again_is_asked_again(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    stale = ended(BROKEN, train_dpo=BROKEN)
    api[1].snapshots = [stale, stale, {"state": BUSY}, ended(OK, "20", train_dpo=OK)]
    api[1].faults = [("POST", ":retry", 503)]
    succeeded, said = followed(cluster, wanted, retries=1)
    assert succeeded and "tried again; 0 more tries after this one" in said


def test_a_run_that_keeps_failing_ends_after_its_tries(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    failures = [ended(BROKEN, f"{i}0", train_dpo=BROKEN) for i in (1, 2, 3)]
    api[1].snapshots = [step for failure in failures for step in ({"state": BUSY}, failure)]
    succeeded, said = followed(cluster, wanted, retries=2)
    assert not succeeded and len(api[1].made("RunService_RetryRun")) == 2
    assert sum("train-dpo" in line for line in said) == 3


def test_a_wrong_setting_is_not_tried_again(cluster: Cluster, api: tuple[str, State], wanted: Submission) -> None:
    api[1].snapshots = [ended(BROKEN, preflight=BROKEN)]
    succeeded, said = followed(cluster, wanted, retries=5)
    assert not succeeded and said[-1] == "not tried again: a setting has to change first"
    assert api[1].made("RunService_RetryRun") == []


def test_a_run_that_somebody_stopped_has_ended(cluster: Cluster, api: tuple[str, State], wanted: Submission) -> None:
    api[1].snapshots = [{"state": "CANCELING"}, ended("CANCELED")]
    assert followed(cluster, wanted, retries=3) == (False, ["canceling  0 tasks done", "canceled   0 tasks done"])


def test_an_api_that_restarts_does_not_end_the_waiting(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    api[1].snapshots = [{"state": BUSY}, ended(OK)]
    api[1].faults = [("GET", "/runs/", 503)] * (PATIENCE - 1)
    assert followed(cluster, wanted)[0]
    api[1].faults = [("GET", "/runs/", 503)] * PATIENCE
    with pytest.raises(ClusterError, match="cannot ask for the run"):
        followed(cluster, wanted)


def test_a_run_that_may_not_be_seen_is_an_error_at_once(
    cluster: Cluster, api: tuple[str, State], wanted: Submission
) -> None:
    api[1].faults = [("GET", "/runs/", 403)]
    with pytest.raises(ClusterError, match="answered 403"):
        followed(cluster, wanted)
