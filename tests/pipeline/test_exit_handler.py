"""The exit handler for real: a package's own pipeline, run to its end and into an error, with a tracking server."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.pipeline.world import ROOT, environment, write_world

pytestmark = pytest.mark.pipeline
PROGRAM = """
import sys
from kfp import local
from pipelines.config import EvaluateConfig, load
from pipelines.evaluate import packaged_evaluate

model, questions, root = sys.argv[1:]
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root)
settings = {"benchmarks": {"pope": "pope.jsonl"}, "limit": 4, "bootstrap_resamples": 20}
direct = {"model": model, "benchmarks_root": questions, "accelerator_count": "0", "evaluation": settings}
packaged_evaluate(**load(EvaluateConfig, direct=direct).arguments())
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


def run(world: Path, model: Path, work: Path, server: dict[str, str], name: str) -> subprocess.CompletedProcess[str]:
    given = {
        **environment(),
        **server,
        "PYTHONPATH": str(ROOT),
        "GROUNDTUNE_RUN_ID": name,
        "GROUNDTUNE_STATE": str(work / "state"),
        "MLFLOW_EXPERIMENT_NAME": name,
    }
    command = [sys.executable, "-c", PROGRAM, str(model), str(world / "questions"), str(work / "root")]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def parent_of(uri: str, name: str):
    client = MlflowClient(uri)
    (parent,) = client.search_runs(
        [client.get_experiment_by_name(name).experiment_id], f"tags.`groundtune.run_id` = '{name}'"
    )
    return parent, {entry.path for entry in client.list_artifacts(parent.info.run_id)}


def test_a_run_that_fails_has_its_page_its_status_and_its_reason_in_mlflow(world, tmp_path, mlflow_session) -> None:
    done = run(world, tmp_path / "no-model", tmp_path, mlflow_session.variables, "it-fails")
    assert done.returncode != 0
    assert "no such folder" in done.stdout and "failed after" in done.stdout
    parent, files = parent_of(mlflow_session.uri, "it-fails")
    assert parent.info.status == "FAILED" and parent.data.tags["groundtune.status"] == "FAILED"
    assert "no-model" in parent.data.tags["groundtune.error"]
    assert len([name for name in files if name.endswith(".html") or name == "page"]) == 1


def test_a_run_that_succeeds_is_finished_in_mlflow_and_leaves_no_scratch(world, tmp_path, mlflow_session) -> None:
    done = run(world, world / "llava", tmp_path, mlflow_session.variables, "it-succeeds")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    parent, _ = parent_of(mlflow_session.uri, "it-succeeds")
    assert parent.info.status == "FINISHED" and parent.data.tags["groundtune.status"] == "FINISHED"
    left = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert left == []
