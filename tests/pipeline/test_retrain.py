"""Rounds of retraining on this machine: two at once, a kill, a failure, a refusal, nothing to do; one champion."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from groundtune.rounds.record import RoundStory, stories
from groundtune.vlm.checkpoints import checkpoint_digest
from tests.pipeline.world import ROOT, environment, write_world
from tests.servers import MlflowServer

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(1200)]
OPEN = {"must_improve": [], "may_fall": {}, "may_fall_from_base": {}, "max_yes_shift": 1.0, "min_words_share": 0.0}
NEVER = 'gate={must_improve: [chair/chairs], minimum_effect: 2.0, max_yes_shift: 1.0, may_fall: {}}'


@dataclass
class World:
    """What arrives, where rounds are kept, and how a person starts one."""

    root: Path
    server: MlflowServer
    said: dict[str, str] = field(default_factory=dict)

    @property
    def rounds(self) -> str:
        return str(self.root / "rounds")

    def arrive(self, week: int) -> None:
        rows = (self.root / "prompts.jsonl").read_text().splitlines(keepends=True)
        (self.root / "inbox" / f"week-{week}.jsonl").write_text("".join(rows[4 * week : 4 * week + 4]))

    def start(self, work: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pipelines", "run", "retrain", "--config", str(self.root / "retrain.yaml")]
        return subprocess.Popen(
            [*command, "--work", str(self.root / work), *more], cwd=ROOT, env=environment() | self.server.variables,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def to_its_end(self, name: str, work: str, *more: str) -> int:
        process = self.start(work, *more)
        self.said[name], _ = process.communicate()
        return process.returncode

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", *words, "--model", "captioner"], cwd=ROOT, check=True, text=True,
            env=environment() | self.server.variables, capture_output=True,
        )  # fmt: skip
        return done.stdout

    def artifacts(self, kind: str) -> list[dict[str, Any]]:
        files = sorted(self.root.rglob("artifacts/**/manifest.json"), key=lambda file: file.stat().st_mtime)
        return [made for made in map(json.loads, map(Path.read_text, files)) if made["kind"] == kind]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_session: MlflowServer) -> World:
    root = write_world(tmp_path_factory.mktemp("world"))
    (root / "inbox").mkdir()
    config = yaml.safe_load((root / "config.yaml").read_text())
    del config["prompts"]
    config |= {"inbox": str(root / "inbox"), "rounds_root": str(root / "rounds"), "images_root": str(root)}
    config |= {"num_shards": 1, "rounds": {"minimum_rows": 2}, "gate": OPEN, "registry": {"model_name": "captioner"}}
    (root / "retrain.yaml").write_text(yaml.safe_dump(config))
    return World(root, mlflow_session)


def client(world: World) -> MlflowClient:
    return MlflowClient(world.server.uri)


@pytest.fixture(scope="module")
def told(world: World) -> list[RoundStory]:
    """All that happens, in its order; the stories after it."""
    world.arrive(0)
    both = [world.start("one"), world.start("two")]
    loser = _first_to_end(both)
    world.said["loser"], _ = loser.communicate()
    (winner,) = (process for process in both if process is not loser)
    name = "one" if winner is both[0] else "two"
    world.said["killed"] = _killed_at(winner, "score_confidence")
    world.said["history of the killed"] = world.command("history")
    world.said["returncodes"] = f"{loser.returncode} {world.to_its_end('resumed', name)}"
    world.arrive(1)
    world.said["returncodes"] += f" {world.to_its_end('failed', name, '--set', 'evaluation.vocabulary=none')}"
    world.said["returncodes"] += f" {world.to_its_end('refused', name, '--set', NEVER)}"
    world.said["returncodes"] += f" {world.to_its_end('nothing', name)}"
    return stories(world.rounds)


def _first_to_end(processes: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    while True:
        time.sleep(0.2)
        for process in processes:
            if process.poll() is not None:
                return process


def _killed_at(process: subprocess.Popen[str], stage: str) -> str:
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(stage):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return "".join(said)


def test_of_two_that_start_at_the_same_moment_one_has_nothing_to_do(world: World, told: list[RoundStory]) -> None:
    assert "Nothing to do" in world.said["loser"] and "is retraining, until" in world.said["loser"]
    assert "sample_candidates" not in world.said["loser"]


def test_a_killed_round_changes_nothing_and_is_gone_on_with(world: World, told: list[RoundStory]) -> None:
    assert world.said["history of the killed"] == "captioner never had a champion\n"
    assert "Round 1: 4 new rows" in world.said["resumed"]
    assert "sample_candidates" not in world.said["resumed"], "what was whole is not done again"
    assert told[0].state == "promoted" and told[0].rows["new"] == 4
    assert "version 1 of captioner is champion" in world.said["resumed"]
    assert world.said["returncodes"] == "0 0 1 0 0"


def test_a_failed_round_leaves_the_champion_and_the_next_one_has_its_rows(
    world: World, told: list[RoundStory]
) -> None:
    assert "setting 'evaluation.vocabulary' is 'none': expected a file" in world.said["failed"]
    assert told[1].state == "failed" and "'evaluation.vocabulary'" in told[1].why
    assert told[2].state == "refused" and told[2].rows["new"] == told[1].rows["new"] == 4


def test_the_champion_answers_is_the_reference_and_is_trained_on(world: World, told: list[RoundStory]) -> None:
    champion = checkpoint_digest(next((world.root / "rounds" / "champions").iterdir()))
    pools = [made["parents"]["adapter"] for made in world.artifacts("candidates")]
    assert pools[0] == "" and set(pools[1:]) == {champion}
    assert {made["parents"]["adapter"] for made in world.artifacts("confidence")[1:]} == {champion}
    assert [made["parents"].get("adapter", "") for made in world.artifacts("adapter")] == ["", champion]
    assert told[2].record and told[2].record.parent == told[2].record.champion == "1"


def test_what_the_gate_refused_stays_a_version_with_its_verdict(world: World, told: list[RoundStory]) -> None:
    assert "chair/chairs is better than the champion's by at least 2" in world.said["refused"]
    history = world.command("history", "--reasons").splitlines()
    assert len([line for line in history if "promote" in line]) == 1
    found = client(world).get_model_version("captioner", "2").tags
    assert found["groundtune.verdict"].startswith("Keep the champion") and found["groundtune.round"] == "3"
    assert found["groundtune.prompts_digest"] == world.artifacts("prompts")[-1]["digest"]
    aliases = client(world).get_registered_model("captioner").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "2"}


def test_without_new_rows_there_is_nothing_to_do(world: World, told: list[RoundStory]) -> None:
    assert "Nothing to do: fewer than 2 new rows" in world.said["nothing"]
    assert "preflight" not in world.said["nothing"] and len(told) == 3


def test_the_page_stands_beside_the_rounds(world: World, told: list[RoundStory]) -> None:
    page = (world.root / "rounds" / "report.html").read_text()
    assert "refused" in page and "evaluation.vocabulary" in page
    assert f"{world.rounds}/report.html" in world.said["nothing"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "gate.must_improv=[]"], "setting 'must_improv' in gate"),
        (["--set", "rounds.policy=mine"], "setting 'policy' in rounds is 'mine'"),
        (["--set", "probe.questions=1"], "setting 'probe'"),
    ],
)
def test_a_wrong_setting_stops_before_anything_starts(world: World, more: list[str], message: str) -> None:
    assert world.to_its_end("wrong", "wrong", *more) == 1
    assert message in world.said["wrong"] and not (world.root / "wrong" / "artifacts").exists()
