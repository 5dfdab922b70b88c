"""`python -m pipelines run evaluate` as a person starts it: slices, a baseline, a judge, and what is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundtune.artifacts import read_artifact
from tests.pipeline.world import ROOT, environment, write_world
from tests.scripted_judge import Say, scripted_judge
from tests.tiny_checkpoints import tiny_adapter
from tests.unit.benchmarks.judged_worlds import write_mmhal

pytestmark = pytest.mark.pipeline
KEY = "sk-0f-th1s-test"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = write_world(tmp_path_factory.mktemp("world"))
    tiny_adapter(root / "lora", str(root / "llava"))
    write_mmhal(root / "questions" / "mmhal", 4)
    return root


def command(world, work, *more):
    return [
        sys.executable, "-m", "pipelines", "run", "evaluate", "--model", str(world / "llava"),
        "--benchmarks-root", str(world / "questions"), "--work", str(work), "--set", "evaluation.max_new_tokens=8",
        "--set", "evaluation.bootstrap_resamples=50", "--set", "evaluation.questions_per_part=2", *more,
    ]  # fmt: skip


def start(world, work, *more, **variables):
    given = {**environment(), **variables}
    return subprocess.run(
        command(world, work, *more), cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )


def artifacts(work):
    folder = Path(json.loads((work / "result.json").read_text())["evaluation"])
    return {path.name: path for path in folder.iterdir() if (path / "manifest.json").is_file()}


def script(asked, before):
    return Say("I read both.\nWinner: A" if "Answer A:" in asked.text else "Fair enough. Rating: 4")


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    work = tmp_path_factory.mktemp("finished")
    with scripted_judge(script) as server:
        done = start(
            world, work, "--benchmarks", "pope,chair,mmhal", "--adapter", str(world / "lora"),
            "--baseline", str(world / "llava"), "--set", "evaluation.questions_per_slice=4",
            "--set", f"judge.base_url={server.url}", "--set", "judge.model=tiny", GROUNDTUNE_JUDGE_API_KEY=KEY,
        )  # fmt: skip
        keys = {asked.key for asked in server.asked}
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return work, done.stdout, keys


def test_model_and_baseline_are_answered_judged_compared_and_told(finished):
    work, output, keys = finished
    made = artifacts(work)
    assert set(made) == {"model", "baseline", "pairwise"}
    model, baseline = (read_artifact(made[name], "answers") for name in ("model", "baseline"))
    assert model.results["identity"]["adapter"] and not baseline.results["identity"]["adapter"]
    assert model.results["identity"]["protocol"] == baseline.results["identity"]["protocol"]
    assert {name: entry["questions"] for name, entry in model.results["benchmarks"].items()} == {
        "chair": 4, "mmhal": 4, "pope": 8,
    }  # fmt: skip
    assert model.results["benchmarks"]["mmhal"]["metrics"]["score"]["value"] == 4
    pairs = read_artifact(made["pairwise"], "judgements").results
    assert pairs["pairs"] == 8 and pairs["unjudged"] == 0
    assert keys == {f"Bearer {KEY}"}
    assert "MMHal" in output and "report " in output


def test_page_tables_sheet_and_metrics_are_there_and_hold_no_key(finished):
    work, _, _ = finished
    places = json.loads((work / "result.json").read_text())
    assert "<html" in Path(places["page"]).read_text()
    tables = Path(places["tables"])
    assert r"\begin{table}" in (tables / "tables.tex").read_text()
    assert (tables / "sheet" / "sheet.html").is_file() and (tables / "sheet" / "key.json").is_file()
    for file in work.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_without_a_judge_what_needs_one_is_refused_and_the_rest_goes_on(world, tmp_path):
    done = start(world, tmp_path, "--benchmarks", "pope,mmhal")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "judge.base_url" in done.stdout
    results = read_artifact(artifacts(tmp_path)["model"], "answers").results["benchmarks"]
    assert set(results["mmhal"]["refused"]) >= {"score"} and results["mmhal"]["metrics"].get("score") is None
    assert results["pope"]["metrics"]["accuracy"]["value"] >= 0


def test_a_killed_evaluation_goes_on_to_the_same_digests(world, finished, tmp_path):
    options = ("--benchmarks", "pope,chair", "--set", "evaluation.questions_per_slice=4")
    assert start(world, tmp_path / "whole", *options).returncode == 0
    work = tmp_path / "killed"
    child = subprocess.Popen(
        command(world, work, *options), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    patience = time.monotonic() + 240
    while child.poll() is None and time.monotonic() < patience and not list(work.rglob("answers/manifest.json")):
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "it was over before it could be killed"
    done = {file.stat().st_mtime_ns for file in work.rglob("answers/manifest.json")}
    assert not (work / "result.json").exists()
    again = start(world, work, *options)
    assert again.returncode == 0, again.stdout[-4000:] + again.stderr[-4000:]
    digest = {name: read_artifact(artifacts(place)["model"], "answers").digest
              for name, place in (("whole", tmp_path / "whole"), ("killed", work))}  # fmt: skip
    assert digest["whole"] == digest["killed"]
    assert done <= {file.stat().st_mtime_ns for file in work.rglob("answers/manifest.json")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--benchmarks", "pop"), "'--benchmarks' is 'pop'"),
        (("--benchmarks", "mme"), "files of mme below"),
        (("--benchmarks", "pope", "--baseline", "/no/such"), "/no/such"),
        (("--benchmarks", "mmhal", "--set", "judge.base_url=http://127.0.0.1:9", "--set", "judge.model=m",
          "--set", "judge.api_key_variable=''", "--set", "judge.max_attempts=1"), "judge.base_url"),
    ],
)  # fmt: skip
def test_a_wrong_setting_fails_at_once_with_its_name(world, tmp_path, options, message):
    done = start(world, tmp_path, *options)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert not list(tmp_path.rglob("answers"))
