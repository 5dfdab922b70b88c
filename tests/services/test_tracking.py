"""Tracking against a real MLflow server."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from groundtune import __version__, tracking
from groundtune.errors import TrackingError
from groundtune.tracking import ledger
from groundtune.tracking.place import KFP_METRICS, KFP_METRICS_OF_TASKS
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.servers import S3Server, free_port

PARENT = "mlflow.parentRunId"


@pytest.fixture
def pipeline(mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh pipeline run id and experiment on the session's server."""
    name = f"run-{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", name)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return name


def runs_of(pipeline: str) -> tuple[list[Run], list[Run]]:
    """(parents, nested runs), the latter in the order of their start."""
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    found = client.get_experiment_by_name(pipeline)
    assert found is not None
    runs = sorted(client.search_runs([found.experiment_id]), key=lambda run: run.info.start_time)
    return [r for r in runs if PARENT not in r.data.tags], [r for r in runs if PARENT in r.data.tags]


def history(run: Run, metric: str) -> list[tuple[int, float]]:
    points = MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in points)


def test_stages_of_one_pipeline_run_are_nested_below_one_parent(pipeline: str, tmp_path: Path) -> None:
    page = tmp_path / "pairs.html"
    page.write_text("<p>pairs</p>")
    settings = {"seed": 3, "temperature": 1.0, "allow": True, "scorer_weights": {"contrastive": 1.0}, "targets": ["q"]}
    with tracking.stage("sample_candidates", settings, inputs={"prompts": "abc"}, shard=(0, 2)) as run:
        run.metrics({"candidates": 4640, "share": {"rejected": {"value": 0.25, "low": 0.2}}, "splits": ["a"]})
        run.artifact(page)
        run.output("d1")
    with tracking.stage("select_pairs", {"mu": 0.5}, inputs={"scores": "def"}) as run:
        run.series([{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.6}])

    (parent,), (sample, select) = runs_of(pipeline)
    assert parent.data.tags["groundtune.run_id"] == pipeline
    assert {sample.data.tags[PARENT], select.data.tags[PARENT]} == {parent.info.run_id}
    assert (sample.info.run_name, select.info.run_name) == ("sample_candidates shard 0 of 2", "select_pairs")
    assert sample.data.params == {
        "seed": "3",
        "temperature": "1.0",
        "allow": "true",
        "scorer_weights.contrastive": "1.0",
        "targets": '["q"]',
    }
    assert sample.data.metrics == {"candidates": 4640.0, "share.rejected": 0.25}
    expected = {
        "input.prompts": "abc",
        "output.digest": "d1",
        "groundtune.version": __version__,
        "groundtune.shard": "0/2",
    }
    assert expected.items() <= sample.data.tags.items()
    assert history(select, "loss") == [(1, 0.7), (2, 0.6)]
    assert [r.info.status for r in (parent, sample, select)] == ["FINISHED"] * 3
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    assert [file.path for file in client.list_artifacts(sample.info.run_id)] == ["pairs.html"]


def test_the_summary_goes_on_the_parent_once(pipeline: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<h1>report</h1>")
    with tracking.stage("evaluate", {}):
        pass
    for _ in range(2):  # the report stage was retried
        tracking.summary({"pope": {"f1": 0.81}, "chair_i": 0.12}, [page], "## A title\n\n" + "| a | b |\n" * 2000)
    (parent,), _ = runs_of(pipeline)
    assert parent.data.tags["mlflow.note.content"] == "## A title", "a block that does not fit is left out whole"
    assert parent.data.metrics == {"pope.f1": 0.81, "chair_i": 0.12}
    assert history(parent, "pope.f1") == [(0, 0.81)]
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["report.html"]


def test_a_failed_stage_says_why_and_fails_its_parent(pipeline: str) -> None:
    with pytest.raises(ValueError, match="no pair"), tracking.stage("select_pairs", {}):
        raise ValueError("no pair left")
    (parent,), (run,) = runs_of(pipeline)
    assert (parent.info.status, run.info.status) == ("FAILED", "FAILED")
    assert run.data.tags["groundtune.error"] == "ValueError: no pair left"


def test_a_resumed_stage_goes_on_in_its_run_and_repeats_no_scalar(pipeline: str) -> None:
    def interrupted() -> None:
        with tracking.stage("train_dpo", {"beta": 0.1}, inputs={"pairs": "p"}) as run:
            run.series([{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.6}])
            run.metrics({"pairs": 10})
            raise RuntimeError("node lost")

    with pytest.raises(RuntimeError):
        interrupted()
    with tracking.stage("train_dpo", {"beta": 0.1}, inputs={"pairs": "p"}) as run:
        run.series([{"step": 2, "loss": 0.6}, {"step": 3, "loss": 0.5}])
        run.metrics({"pairs": 10, "accuracy": 0.9})
    with tracking.stage("train_dpo", {"beta": 0.2}, inputs={"pairs": "p"}):
        pass
    (parent,), (first, other) = runs_of(pipeline)
    assert history(first, "loss") == [(1, 0.7), (2, 0.6), (3, 0.5)]
    assert history(first, "pairs") == [(0, 10.0)]
    assert first.info.status == other.info.status == parent.info.status == "FINISHED"
    assert other.data.params == {"beta": "0.2"}  # other settings are another run, not a changed one


def _shard(index: int, barrier: Any) -> None:
    import groundtune.tracking.place  # imports are not part of the race

    groundtune.tracking.place.client(groundtune.tracking.place.current())  # type: ignore[arg-type]
    barrier.wait()
    with tracking.stage("sample_candidates", {"seed": 0}, shard=(index, 3)) as run:
        run.metrics({"candidates": index})


def test_shards_that_start_together_share_one_parent(pipeline: str) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    shards = [context.Process(target=_shard, args=(index, barrier)) for index in range(3)]
    for process in shards:
        process.start()
    for process in shards:
        process.join(60)
    assert [process.exitcode for process in shards] == [0, 0, 0]
    (parent,), nested = runs_of(pipeline)
    assert len(nested) == 3
    assert {run.data.tags[PARENT] for run in nested} == {parent.info.run_id}


def test_with_the_plugin_the_existing_run_is_used_and_no_other_is_made(
    pipeline: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.create_experiment(pipeline)
    root = client.create_run(experiment, run_name="kfp run").info.run_id
    loop = client.create_run(experiment, run_name="for-loop", tags={PARENT: root}).info.run_id
    task = client.create_run(experiment, run_name="sample", tags={PARENT: loop}).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", task)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    tracking.check()
    with tracking.stage("train_dpo", {"seed": 3}, inputs={"pairs": "abc"}) as run:
        assert run.run_id == task
        run.series([{"step": 1, "loss": 0.7}])
        run.metrics({"accuracy": 0.9})  # the backend logs this one from the KFP Metrics output
    client.log_metric(task, "accuracy", 0.9)  # as the backend's launcher does, after the stage
    tracking.summary({"f1": 0.8})

    runs = {run.info.run_id: run for run in client.search_runs([experiment])}
    assert set(runs) == {root, loop, task}
    assert history(runs[task], "accuracy") == [(0, 0.9)]
    assert history(runs[task], "loss") == [(1, 0.7)]
    assert runs[task].data.params == {"seed": "3"}
    assert runs[task].data.tags["input.pairs"] == "abc"
    assert runs[root].data.metrics == {"f1": 0.8}
    assert {run.info.status for run in runs.values()} == {"RUNNING"}  # the backend ends them


def test_with_the_plugin_a_stage_whose_face_has_no_metrics_output_logs_its_own_scalars(
    pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    task = client.create_run(client.create_experiment(pipeline)).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", task)
    for _ in range(2):  # the second time is a retry in the same run
        with tracking.stage("sample_candidates", {}) as run:
            run.metrics({"candidates": 5})
    assert history(client.get_run(task), "candidates") == [(0, 5.0)]


def test_the_scalars_left_to_the_backend_are_those_of_faces_with_a_metrics_output() -> None:
    faces = Path(__file__).parents[2].glob("components/*/component.py")
    assert {face.parent.name for face in faces if "dsl.Output[dsl.Metrics]" in face.read_text()} == (
        KFP_METRICS | KFP_METRICS_OF_TASKS
    )


def test_with_the_plugin_the_stages_of_one_task_keep_their_figures_and_params_apart(
    pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    task = client.create_run(client.create_experiment(pipeline)).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", task)
    with ledger.noted("train_method m3po 0", fixed=True):
        for name, seed in (("select_pairs", 1), ("train_dpo", 2)):
            with tracking.stage(name, {"seed": seed}) as run:
                run.metrics({"pairs": seed})
    found = client.get_run(task)
    assert found.data.params == {"select_pairs.seed": "1", "train_dpo.seed": "2"}
    assert found.data.metrics == {"select_pairs.pairs": 1.0, "train_dpo.pairs": 2.0}


def test_without_a_server_a_stage_runs_and_says_that_nothing_is_tracked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with tracking.stage("evaluate", {"limit": 0}) as run:
        run.metrics({"f1": 0.5})
        run.output("d")
        run.artifact(tmp_path / "page.html")
    tracking.check()
    said = capsys.readouterr().out
    assert "MLFLOW_TRACKING_URI is not set" in said.splitlines()[0]


def test_a_worker_of_another_rank_does_not_log(pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with tracking.stage("train_dpo", {}) as run:
        assert run.run_id == ""
    assert MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).get_experiment_by_name(pipeline) is None


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}", "http://nowhere.invalid:{port}"])
def test_an_unreachable_server_is_named_in_seconds(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(port=free_port()))
    start = time.monotonic()
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        tracking.check()
    assert time.monotonic() - start < 12


def test_a_server_that_is_no_mlflow_is_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", s3.endpoint)  # it answers, and refuses
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        tracking.check()


def test_a_server_that_does_not_answer_is_named_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as silent:  # accepts connections and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
            tracking.check()
        assert time.monotonic() - start < 15


def test_no_secret_is_stored(pipeline: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("JUDGE_API_KEY", "judge-key-12345")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    page = tmp_path / "report.html"
    page.write_text("<p>judge-key-12345</p>")
    settings = {
        "endpoint": "https://ann:hunter22@store.example/x",
        "judge_api_key": "typed-into-the-yaml",
        "note": "uses wJalrXUtnFEMI",
        "token_budget": 16384,
        "max_new_tokens": 256,
        "bundle": False,
    }

    def refused() -> None:
        with tracking.stage("evaluate", settings, inputs={"prompts": "wJalrXUtnFEMI"}) as run:
            run.tag("image", "s3://b/x?X-Amz-Signature=0123abcd")
            run.artifact(page)
            raise RuntimeError("401 for https://ann:hunter22@store.example with judge-key-12345")

    with pytest.raises(RuntimeError):
        refused()
    _, (stored,) = runs_of(pipeline)
    assert stored.data.params["token_budget"] == "16384"
    assert stored.data.params["max_new_tokens"] == "256"
    assert stored.data.params["bundle"] == "false"
    assert stored.data.params["endpoint"] == "https://***@store.example/x"
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    text = str(stored.to_dictionary()) + Path(client.download_artifacts(stored.info.run_id, "report.html")).read_text()
    for secret in ("wJalrXUtnFEMI", "judge-key-12345", "hunter22", "typed-into-the-yaml", "0123abcd"):
        assert secret not in text
    assert page.read_text() == "<p>judge-key-12345</p>"  # the stage's own file stays as it is


_KILLED_STAGE = """
import sys, time
from groundtune import tracking
with tracking.stage("train_dpo", {}):
    print("started", flush=True)
    time.sleep(60)
"""


def test_a_terminated_stage_is_marked_as_killed(pipeline: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED_STAGE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "started":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    (parent,), (run,) = runs_of(pipeline)
    assert (run.info.status, parent.info.status) == ("KILLED", "FAILED")


@pytest.fixture
def link(pipeline: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The way to the session's server, to be cut."""
    with fault_proxy(int(os.environ["MLFLOW_TRACKING_URI"].rpartition(":")[2])) as link:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", link.endpoint)
        yield link


def test_a_server_that_is_lost_midway_costs_no_work_and_no_figure_once_it_is_back(
    pipeline: str, link: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracking.stage("train_dpo", {}) as run:
        run.series([{"step": 1, "loss": 0.7}])
        link.refuse()
        start = time.monotonic()
        for step in range(2, 40):
            run.series([{"step": step, "loss": 1 / step}])
        assert time.monotonic() - start < 10  # one attempt for all of them
        link.accept()
    _, (stored,) = runs_of(pipeline)
    assert history(stored, "loss") == [(1, 0.7), *((step, 1 / step) for step in range(2, 40))]
    assert stored.info.status == "FINISHED"
    assert capsys.readouterr().err.count("WARNING") == 1


def test_a_server_that_stays_lost_is_said_with_the_number_of_lost_writes(
    link: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracking.stage("evaluate", {}) as run:
        link.refuse()
        run.metrics({"f1": 0.8})
    said = capsys.readouterr().err
    assert "cannot write to the MLflow server" in said
    assert "3 writes to MLflow" in said  # the figure, the stage's status, the parent's


def test_a_write_that_the_server_refuses_does_not_hold_up_the_others(
    pipeline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracking.stage("evaluate", {}) as run:
        run.tag("", "a tag without a name")
        run.metrics({"f1": 0.8})
    _, (stored,) = runs_of(pipeline)
    assert stored.data.metrics == {"f1": 0.8}
    assert "This write is dropped" in capsys.readouterr().err


def test_a_bare_database_file_needs_no_server_and_keeps_its_files_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "local")
    page = tmp_path / "report.html"
    page.write_text("<p>report</p>")
    with tracking.stage("evaluate", {}):
        pass
    tracking.summary({"f1": 0.8}, [page])
    assert len(list((tmp_path / "mlflow.artifacts").rglob("report.html"))) == 1


def test_a_pipeline_that_goes_on_does_not_say_any_more_that_it_has_ended(pipeline: str) -> None:
    def said() -> tuple[str, str]:
        (parent,), _ = runs_of(pipeline)
        return parent.info.status, parent.data.tags["groundtune.status"]

    with tracking.stage("sample_candidates", {}):
        pass
    tracking.close("FAILED", "the node was lost")
    assert said() == ("FAILED", "FAILED")
    with tracking.stage("select_pairs", {}):
        assert said() == ("RUNNING", "RUNNING")
    tracking.close("FINISHED")
    assert said() == ("FINISHED", "FINISHED")
