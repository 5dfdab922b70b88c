"""The align pipeline as a person runs it: one command, real components under kfp.local, tiny real checkpoints."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundtune.artifacts import read_artifact
from groundtune.folder_artifacts import read_folder
from tests.pipeline.world import ROOT, command, digests, environment, start, write_world

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    work = tmp_path_factory.mktemp("finished")
    return work, start(world, work, "--set", "register=true")


def test_one_command_ends_with_the_table_and_the_places(finished):
    work, output = finished
    assert "captions with a hallucinated object (CHAIRs)" in output and "POPE accuracy" in output
    places = json.loads((work / "result.json").read_text())
    assert all(Path(place).exists() for place in places.values())
    for name in ("report", "adapter", "MLflow"):
        assert any(line.startswith(name) for line in output.splitlines()[-6:])
    assert "Traceback" not in output and "executor_input" not in output


def test_the_lineage_reaches_from_the_adapter_to_the_prompts(finished):
    work, _ = finished
    places = json.loads((work / "result.json").read_text())
    adapter = read_folder(places["adapter"], "adapter")
    by_digest = {m["digest"]: m for m in map(json.loads, (f.read_text() for f in work.rglob("manifest.json")))}
    pairs = by_digest[adapter.manifest["parents"]["pairs"]]
    scores = by_digest[pairs["parents"]["scores"]]
    assert (pairs["kind"], scores["kind"]) == ("pairs", "scores")
    aligned = read_artifact(places["aligned_answers"], "answers")
    base = read_artifact(places["base_answers"], "answers")
    assert aligned.manifest["parents"]["adapter"] and not base.manifest["parents"]["adapter"]
    assert len(aligned) == len(base) == 12


def test_one_parent_run_with_a_nested_run_a_stage_is_in_mlflow(finished):
    import mlflow

    work, _ = finished
    client = mlflow.MlflowClient(f"sqlite:///{work / 'mlflow.db'}")
    runs = [run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])]
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    names = {run.info.run_name.split()[0].split("-")[0] for run in nested}
    expected = ("prepare_prompts", "sample_candidates", "score_alignment", "score_confidence", "combine_scores",
                "select_pairs", "train_dpo", "evaluate", "probe_modality", "write_report",
                "register_adapter")  # fmt: skip
    for stage in expected:
        assert any(name.startswith(stage) for name in names), (stage, names)
    assert all(run.info.status == "FINISHED" for run in runs)
    assert any(file.path.endswith(".html") for file in client.list_artifacts(parents[0].info.run_id))


def test_the_registered_adapter_answers_a_question_through_pyfunc(finished, world):
    work, _ = finished
    code = f"""
import mlflow, pandas
mlflow.set_tracking_uri("sqlite:///{work / "mlflow.db"}")
model = mlflow.pyfunc.load_model("models:/groundtune@challenger")
image = {str(world / "images" / "0.png")!r}
answers = model.predict(pandas.DataFrame([dict(image=image, instruction="What is here?")]))
print("ANSWER", type(answers["answer"].iloc[0]).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment(), capture_output=True, text=True, check=False
    )
    assert "ANSWER str" in done.stdout, done.stderr[-3000:]


def test_the_same_command_again_computes_nothing_and_changes_nothing(finished, world):
    work, _ = finished
    before = digests(work)
    output = start(world, work, "--set", "register=true")
    assert digests(work) == before
    assert "sample_candidates" not in output and "train_dpo" not in output


STAGES = ["sample_candidates", "score_alignment", "score_confidence", "train_dpo", "evaluate"]


def test_a_run_killed_in_every_stage_finishes_with_the_same_digests(finished, world, tmp_path):
    straight, _ = finished
    work = tmp_path / "killed"
    killed = [stage for stage in STAGES if _kill_when_it_says(stage, world, work)]
    assert len(killed) >= 2, f"only {killed} were killed: the others had nothing left to do"
    start(world, work)
    assert digests(work) == digests(straight)
    assert not list((work / "state").rglob("*.parquet"))


def _kill_when_it_says(stage, world, work):
    """SIGKILL to the whole process group once the stage reports progress; False when the run was through first."""
    process = subprocess.Popen(
        command(world, work), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    deadline = time.monotonic() + 300
    for line in process.stdout:
        if line.startswith(stage) or time.monotonic() > deadline:
            break
    else:
        assert process.wait() == 0
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "sampling.temprature=1"], "setting 'temprature' in sampling is 1: expected one of"),
        (["--set", "samplign.seed=1"], "setting 'samplign'"),
        (["--set", "training.beta=-1"], "setting 'beta' in training is -1.0: expected at least"),
        (["--set", "num_shards=two"], "setting 'num_shards'"),
    ],
)
def test_a_wrong_setting_stops_before_anything_starts(world, tmp_path, more, message):
    done = subprocess.run(
        command(world, tmp_path, *more), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and message in done.stderr
    assert not (tmp_path / "artifacts").exists()


def test_what_preflight_finds_ends_the_run_in_its_own_words(world, tmp_path):
    more = ("--set", "evaluation.vocabulary=none.json")
    done = subprocess.run(
        command(world, tmp_path, *more), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "setting 'evaluation.vocabulary' is 'none.json': expected a file or a folder below" in done.stdout
    assert "'preflight'" in done.stderr
    assert "sample_candidates" not in done.stdout


def test_an_unreachable_mlflow_stops_the_run_in_its_first_task(world, tmp_path):
    done = subprocess.run(
        command(world, tmp_path), cwd=ROOT, env={**environment(), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "MLFLOW_TRACKING_URI" in done.stdout and "prepare_prompts" not in done.stdout
