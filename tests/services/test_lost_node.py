"""A stage that is killed with its node, disk and all, goes on elsewhere from the state prefix, to the same digest."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from groundtune import storage
from groundtune.artifact_writing import ArtifactWriter
from groundtune.candidates import sampling
from groundtune.storage import objects
from groundtune.training import stage as training
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.servers import S3Server
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import SAMPLING, SmallRun, up_to_pairs

TRAINING = {
    "pairs_per_step": 1, "pairs_per_microbatch": 1, "epochs": 2, "lora_rank": 4, "lora_alpha": 8,
    "learning_rate": 2e-3, "checkpoint_every": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))


@pytest.fixture
def slow(s3: S3Server) -> Iterator[FaultProxy]:
    """The store over a line on which a stage takes long enough to be killed in the middle."""
    with fault_proxy(int(s3.endpoint.rpartition(":")[2])) as proxy:
        proxy.latency = 0.1
        yield proxy


class Node:
    """A machine of its own: disk, temporary files and cache below one folder."""

    def __init__(self, folder: Path, state: str, endpoint: str):
        self.disk = folder
        (folder / "tmp").mkdir(parents=True)
        self.environment = {
            **os.environ,
            "GROUNDTUNE_STATE": state,
            "GROUNDTUNE_CACHE": str(folder / "cache"),
            "TMPDIR": str(folder / "tmp"),
            "AWS_ENDPOINT_URL": endpoint,
        }

    def start(self, module: str, arguments: list[object]) -> "subprocess.Popen[bytes]":
        code = f"import json, sys; from {module} import run; run(*json.loads(sys.argv[1]))"
        command = [sys.executable, "-c", code, json.dumps(arguments, default=str)]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)

    def lose(self, child: "subprocess.Popen[bytes]", when: Callable[[], bool]) -> None:
        """SIGKILL, and the disk is gone."""
        deadline = time.monotonic() + 300  # on crowded cores the imports alone take a minute
        while not when():
            assert child.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.kill()
        child.wait()
        shutil.rmtree(self.disk)


def test_sampling_goes_on_after_its_node_was_lost(
    small: SmallRun, bucket: str, slow: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SAMPLING, "prompts_per_part": 1}
    given = [small.prompts, small.root, small.model]
    whole = sampling.run(given[0], str(given[1]), str(given[2]), tmp_path / "whole", settings)

    def parts() -> list[str]:
        return [name for name in storage.list_files(bucket) if "/part-" in name]

    lost = Node(tmp_path / "lost", bucket, slow.endpoint)
    child = lost.start("groundtune.candidates.sampling", [*given, lost.disk / "out", settings])
    lost.lose(child, lambda: len(parts()) >= 3)
    assert 3 <= len(parts()) < 8
    monkeypatch.setenv("GROUNDTUNE_STATE", bucket)
    resumed = sampling.run(given[0], str(given[1]), str(given[2]), tmp_path / "following", settings)
    assert resumed.digest == whole.digest
    assert storage.list_files(bucket) == []


def test_training_goes_on_after_its_node_was_lost(
    small: SmallRun,
    bucket: str,
    slow: FaultProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given: list[object] = [small.prompts, small.shards("confidence"), small.pairs, str(small.root), str(small.model)]
    whole = training.run(*given, tmp_path / "whole", TRAINING)  # type: ignore[arg-type]

    def marks() -> list[str]:
        return [name for name in storage.list_files(bucket) if name.endswith("/COMPLETE")]

    lost = Node(tmp_path / "lost", bucket, slow.endpoint)
    child = lost.start("groundtune.training.stage", [*given, lost.disk / "out", TRAINING])
    lost.lose(child, lambda: len(marks()) >= 2)
    newest = max(int(name.split("/")[-2].rpartition("-")[2]) for name in marks())
    assert newest < whole.results["steps"]
    monkeypatch.setenv("GROUNDTUNE_STATE", bucket)
    resumed = training.run(*given, tmp_path / "following", TRAINING)  # type: ignore[arg-type]
    assert f"goes on from step {newest}" in capsys.readouterr().out
    assert resumed.digest == whole.digest
    assert len((resumed.path / "training_log.jsonl").read_text().splitlines()) == whole.results["steps"]
    assert storage.list_files(bucket) == []


@pytest.mark.parametrize("baseline", ["sft", "simulated_rlhf"])
def test_a_baselines_training_goes_on_after_its_node_was_lost(
    baseline: str,
    small: SmallRun,
    bucket: str,
    slow: FaultProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = importlib.import_module(f"groundtune.training.{baseline}")
    given: list[object] = [small.prompts, small.pairs, str(small.root), str(small.model)]
    settings: list[object] = [TRAINING]
    if baseline == "simulated_rlhf":
        given[2:2] = [small.shards("alignment"), {"contrastive": str(small.clip)}]
        rlhf = {"group": 2, "prompts_per_step": 2, "answers_per_microbatch": 4}
        settings += [rlhf, {"max_new_tokens": 60}, {}]
    whole = stage.run(*given, tmp_path / "whole", *settings)

    def marks() -> list[str]:
        return [name for name in storage.list_files(bucket) if name.endswith("/COMPLETE")]

    lost = Node(tmp_path / "lost", bucket, slow.endpoint)
    child = lost.start(stage.__name__, [*given, lost.disk / "out", *settings])
    lost.lose(child, lambda: len(marks()) >= 2)
    newest = max(int(name.split("/")[-2].rpartition("-")[2]) for name in marks())
    assert newest < whole.results["steps"]
    monkeypatch.setenv("GROUNDTUNE_STATE", bucket)
    resumed = stage.run(*given, tmp_path / "following", *settings)
    assert f"goes on from step {newest}" in capsys.readouterr().out
    assert resumed.digest == whole.digest
    assert len((resumed.path / "training_log.jsonl").read_text().splitlines()) == whole.results["steps"]
    assert storage.list_files(bucket) == []


def test_attached_files_come_back_with_the_parts_of_a_lost_node(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writer(node: str) -> ArtifactWriter:
        return ArtifactWriter(tmp_path / node / "out", "prompts", {}, {"source": "d"}, state=f"{bucket}/state")

    def part(index: int) -> tuple[int, list[dict[str, object]], None, dict[str, bytes]]:
        files = {f"{index}-{number}.png": f"pixels {number}".encode() for number in range(20)}
        rows = [{"id": name, "image": f"attached:{name}", "instruction": "?", "tags": []} for name in files]
        return index, rows, None, files

    writer("lost").write_part(*part(0))
    following = writer("following")
    assert following.has_part(0)
    following.write_part(*part(1))
    deleted: list[list[str]] = []
    in_parallel = objects.in_parallel

    def watched(act: Callable[[str], None], keys: list[str]) -> None:
        deleted.append([key.rpartition("/")[2] for key in keys])
        in_parallel(act, keys)

    monkeypatch.setattr(objects, "in_parallel", watched)
    artifact = following.finish(rows_in=40)
    assert {file.name: file.read_bytes() for file in (artifact.path / "files").iterdir()} == part(0)[3] | part(1)[3]
    # Killed while it deletes its state, a stage must not leave a part whose files are gone.
    assert deleted[0] == ["part-00000.parquet", "part-00001.parquet"]
