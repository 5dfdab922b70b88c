"""Promises of score_reward with its unfinished parts in a real object store: another node goes on where a lost one was,
by the head that the lost one learnt."""

import json
import subprocess
import sys

import pytest

from groundtune import storage
from groundtune.artifacts import read_artifact
from groundtune.candidates.reward import passes, stage
from groundtune.candidates.reward.pools import read_answers
from groundtune.settings import SelectionSettings
from tests.unit.candidates.planted_reward import REWARD, SELECTION, planted_world

# A node that is lost after the head was learnt, while the second part of the other prompts is on its way.
LOST = """
import json, os, signal, sys
from groundtune.candidates.reward import stage
from groundtune.candidates.reward.kept import KeptTensors

put = KeptTensors.put

def lost(self, name, *given):
    if name == "rewards-00001.safetensors":
        os.kill(os.getpid(), signal.SIGKILL)
    put(self, name, *given)

KeptTensors.put = lost
stage.run(*sys.argv[1:6], *map(json.loads, sys.argv[6:]))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return planted_world(tmp_path_factory.mktemp("world"))


def test_another_node_goes_on_with_the_head_and_the_parts_of_a_lost_one(world, bucket, tmp_path, monkeypatch):
    given = [str(place) for place in (world / "prompts", world / "scores", world, world / "llava")]
    whole = stage.run(*given, tmp_path / "whole", REWARD, SELECTION)
    monkeypatch.setenv("GROUNDTUNE_STATE", f"{bucket}/state")
    settings = [json.dumps(REWARD), json.dumps(SELECTION)]
    lost = subprocess.run([sys.executable, "-c", LOST, *given, str(tmp_path / "a"), *settings], check=False)
    assert lost.returncode == -9
    kept = [name.rpartition("/")[2] for name in storage.list_files(f"{bucket}/state")]
    assert stage.HEAD in kept and [name for name in kept if "rewards" in name] == ["rewards-00000.safetensors"]
    passed, real = [], passes.states_of

    def watched(vlm, pools, *rest):
        passed.extend(pools)
        return real(vlm, pools, *rest)

    monkeypatch.setattr(passes, "states_of", watched)
    monkeypatch.setattr(stage, "learn", lambda *given: pytest.fail("the head was learnt already"))
    resumed = stage.run(*given, tmp_path / "another-node" / "b", REWARD, SELECTION)
    _, others = read_answers(
        read_artifact(world / "prompts", "prompts"),
        read_artifact(world / "scores", "scores"),
        SelectionSettings.of(SELECTION),
    )
    left = others.pools[REWARD["prompts_per_part"] :]
    assert [pool.prompt["id"] for pool in passed] == [pool.prompt["id"] for pool in left] != []
    assert resumed.digest == whole.digest
    assert resumed.manifest["extra"] == whole.manifest["extra"]
