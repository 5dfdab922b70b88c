"""The whole comparison on this machine: every trainer, two seeds, killed halfway, one method more."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from groundtune.folder_artifacts import read_folder
from tests.pipeline.world import ROOT, environment, write_world

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(1200)]
METHODS = ["sft", "m3po", "m3po_mfpo"]
TRAINED = re.compile(r"^train_method (\S+ \d)\s{2,}\d+ pairs", re.M)
EVALUATED = re.compile(r"^evaluate\s{2,}[\d,]+ questions -> ")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = write_world(tmp_path_factory.mktemp("world"))
    config = yaml.safe_load((root / "config.yaml").read_text())
    del config["num_shards"]
    config |= {"methods": METHODS, "seeds": [0, 1], "champion": "m3po", "rivals": ["sft"]}
    config["selection"] |= {"max_pairs": 4}
    config["training"] |= {"answer_tokens": 120}
    (root / "compare.yaml").write_text(yaml.safe_dump(config))
    return root


def start(world, work, *more):
    command = [sys.executable, "-m", "pipelines", "run", "compare", "--config", str(world / "compare.yaml")]
    return subprocess.Popen(
        [*command, "--work", str(work), *more], cwd=ROOT, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def to_its_end(world, work, *more):
    process = start(world, work, *more)
    said, _ = process.communicate()
    assert process.returncode == 0, said[-5000:]
    return said


def trained(said):
    return Counter(TRAINED.findall(said))


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """(work folder, what was said before it was killed, what was said after)."""
    work = tmp_path_factory.mktemp("finished")
    process = start(world, work)
    assert process.stdout
    before, deadline = [], time.monotonic() + 600
    for line in process.stdout:
        before.append(line)
        # the model's own evaluation, then a method's: that one is whole, and the third of its seed cannot have ended
        if sum(map(bool, map(EVALUATED.match, before))) == 2 or time.monotonic() > deadline:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return work, "".join(before), to_its_end(world, work)


def study(work):
    return json.loads((Path(json.loads((work / "result.json").read_text())["tables"]) / "comparison.json").read_text())


def test_a_killed_comparison_goes_on_and_tells_what_is_left(finished):
    _, before, after = finished
    assert 0 < len(trained(before)) < 6
    assert set(trained(before)) - set(trained(after)), "what was whole is not done again"
    everything = {f"{method} {seed}" for method in METHODS for seed in (0, 1)}
    assert set(trained(before)) | set(trained(after)) == everything
    assert re.search(r"^compare\s+\[[#.]+\] \d/6 methods trained", after, re.M)


def test_all_methods_have_the_same_pairs_and_tokens_and_each_says_which_it_is(finished):
    work, _, _ = finished
    adapters = [read_folder(file.parent, "adapter") for file in work.rglob("artifacts/**/adapter/manifest.json")]
    told = {(a.results["method"], a.results["seed"]): a.results for a in adapters}
    assert set(told) == {(method, seed) for method in METHODS for seed in (0, 1)}
    assert {results["pairs"] for results in told.values()} == {4}
    assert all(120 <= results["answer_tokens"] < 160 for results in told.values())


def test_the_page_holds_every_method_and_the_verdict(finished):
    work, _, after = finished
    page = (work / "report.html").read_text()
    assert all(method in page for method in METHODS)
    found = study(work)
    assert [method["name"] for method in found["methods"]] == METHODS and found["seeds"] == [0, 1]
    assert "m3po" in after and str(work) in after, "the table, and where to look"


def test_one_method_more_computes_only_itself(finished, world):
    work, _, _ = finished
    before = study(work)
    said = to_its_end(world, work, "--methods", ",".join([*METHODS, "vanilla_dpo"]))
    assert trained(said) == {"vanilla_dpo 0": 1, "vanilla_dpo 1": 1}
    assert "sample_candidates" not in said and "score_confidence" not in said
    figures = {method["name"]: method["figures"] for method in study(work)["methods"]}
    for method in before["methods"]:
        name = method["name"]
        same = {metric: figure["value"] for metric, figure in method["figures"].items()}
        assert {metric: figure["value"] for metric, figure in figures[name].items()} == same


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--methods", "m4po"], "setting 'methods' is 'm4po': expected one of"),
        (["--seeds", "a"], "setting '--seeds'"),
        (["--set", "selection.mew=1"], "setting 'mew'"),
        (["--set", "registry.alias=x"], "setting 'registry'"),
    ],
)
def test_a_wrong_setting_stops_before_anything_starts(world, tmp_path, more, message):
    process = start(world, tmp_path / "work", *more)
    said, _ = process.communicate()
    assert process.returncode == 1 and message in said
    assert not (tmp_path / "work" / "artifacts").exists()
