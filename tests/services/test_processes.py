"""Promises of training on several processes, each kept by real processes that torchrun starts on this machine."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from groundtune import storage
from groundtune.errors import SettingError, WorkerError
from groundtune.folder_artifacts import read_folder
from groundtune.settings import TrainingSettings
from groundtune.training import job, launch, stage
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.loader import load_vlm
from tests.unit.training.test_mfpo import Run

# 8 pairs in 2 curriculum stages, 2 epochs, the first stage filled up: 20 places. The last step has 2 pairs, so that a
# second process has nothing to do in it.
SETTINGS = {
    "pairs_per_step": 6, "pairs_per_microbatch": 3, "epochs": 2, "lora_rank": 4, "lora_alpha": 8,
    "learning_rate": 5e-3, "checkpoint_every": 1, "refresh_reference": True,
}  # fmt: skip
FSDP_TOLERANCE = 2e-5  # largest difference of a weight: FSDP pads all rows of a micro-batch to one width


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """More threads cut a matrix product into other pieces, and other pieces add up to another last digit."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def arguments(run, out, **changes):
    small = run.small
    return {
        "prompts": str(small.prompts), "confidence": [str(path) for path in small.shards("confidence")],
        "pairs": str(run.pairs), "images_root": str(small.root), "model": str(small.model), "out": str(out),
        "settings": {**SETTINGS, **changes}, "image_pairs": [str(run.images)], "image_reference": [str(run.reference)],
    }  # fmt: skip


def train(run, out, processes, sharding="ddp", **changes):
    parallel = {"processes": processes, "sharding": sharding, "timeout": 120}
    return launch.run(**arguments(run, out, **changes), parallel=parallel)


@pytest.fixture(scope="module")
def alone(run, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        return train(run, tmp_path_factory.mktemp("alone") / "adapter", 1)


def weights_of(artifact):
    return load_file(artifact.path / "adapter_model.safetensors")


def log_of(artifact):
    return [json.loads(line) for line in (artifact.path / "training_log.jsonl").read_text().splitlines()]


def folder_of_features(run):
    """Where a single process would keep the features of the model's tower."""
    return open_features(load_vlm(run.small.model), 1).folder


def folders_of_features():
    return sorted((storage.cache_root() / "features").iterdir())


def test_processes_that_do_not_divide_the_step_are_refused_by_name(run, tmp_path):
    with pytest.raises(SettingError, match="'pairs_per_step' is 6: expected a multiple of the 4 processes"):
        train(run, tmp_path / "a", 4)
    settings = TrainingSettings(pairs_per_step=32, pairs_per_microbatch=8)
    assert [settings.microbatch_of(count) for count in (1, 2, 8, 32)] == [8, 8, 4, 1]


def test_two_processes_train_the_same_adapter_as_one(run, alone, tmp_path, capfd):
    together = train(run, tmp_path / "a", 2)
    assert capfd.readouterr().out.count("reference checked") == 1, "one of them speaks"
    assert together.digest == alone.digest, "two summands have one sum, in whichever order: the same to the last bit"
    assert folders_of_features() == [folder_of_features(run)], "both keep features where one would"
    assert (together.results["processes"], alone.results["processes"]) == (2, 1)
    for mine, single in zip(log_of(together), log_of(alone), strict=True):
        for name in set(single) - {"seconds", "tokens_per_second"}:
            assert mine[name] == pytest.approx(single[name], rel=1e-5, abs=1e-7), name


class Launched:
    """torchrun with two workers, without the launcher, so that a test can get at them."""

    def __init__(self, run, folder, processes=2, started=2, timeout=120, sharding="ddp", **changes):
        self.folder, self.out = folder, folder / "adapter"
        given = arguments(run, self.out, **changes)
        parallel = {"timeout": timeout, "sharding": sharding}
        place = job.TrainingJob(**given, processes=processes, parallel=parallel).write(str(folder))
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={started}",
            "--max-restarts=0", "-m", "groundtune.training.worker", place,
        ]  # fmt: skip
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def workers(self):
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return sorted(map(int, children))

    def until_checkpoint(self, step):
        deadline = time.monotonic() + 240
        pattern = f"adapter.state/*/checkpoint-{step}/COMPLETE"
        while not list(self.folder.glob(pattern)):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_process_ends_the_training_and_the_next_start_goes_on(run, alone, tmp_path, processes):
    launched = Launched(run, tmp_path)
    try:
        launched.until_checkpoint(1)
        os.kill(launched.workers()[-1], signal.SIGKILL)
        killed = time.monotonic()
        assert launched.process.wait(60) != 0
        assert time.monotonic() - killed < 60, "the others do not wait for the dead one's timeout"
    finally:
        launched.stop()
    assert not launched.out.exists()
    given = {**arguments(run, launched.out), "parallel": {"processes": processes}}
    done = subprocess.run(
        [sys.executable, "-c", "import json,sys; from groundtune.training import launch; "
         "launch.run(**json.loads(sys.argv[1]))", json.dumps(given)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "goes on from step" in done.stdout, done.stderr[-2000:]
    assert read_folder(launched.out, "adapter").digest == alone.digest, "by as many processes as it then has"


def test_sharded_weights_train_the_same_adapter_within_float32_even_after_a_kill(run, alone, tmp_path, capfd):
    launched = Launched(run, tmp_path, sharding="fsdp")
    try:
        launched.until_checkpoint(1)
        os.kill(launched.workers()[0], signal.SIGKILL)
        assert launched.process.wait(60) != 0
    finally:
        launched.stop()
    sharded = train(run, launched.out, 2, sharding="fsdp")
    assert "goes on from step" in capfd.readouterr().out
    assert folders_of_features() == [folder_of_features(run)], "a weight in shards is the same weight"
    assert sharded.manifest["settings"] == alone.manifest["settings"], "how it was computed is no part of what it is"
    expected = weights_of(alone)
    for name, weight in weights_of(sharded).items():
        torch.testing.assert_close(weight, expected[name], atol=FSDP_TOLERANCE, rtol=0)


def test_a_process_that_hangs_ends_the_training_within_the_timeout(run, tmp_path):
    launched = Launched(run, tmp_path, timeout=5, epochs=200)
    try:
        launched.until_checkpoint(1)
        os.kill(launched.workers()[-1], signal.SIGSTOP)
        assert launched.process.wait(90) != 0
    finally:
        launched.stop()
    error = job.failure_in(str(tmp_path))
    assert isinstance(error, WorkerError) and "imed out" in str(error)


def test_a_launcher_that_starts_fewer_processes_is_found_out(run, tmp_path):
    launched = Launched(run, tmp_path, processes=2, started=1)
    try:
        assert launched.process.wait(120) != 0
    finally:
        launched.stop()
    error = job.failure_in(str(tmp_path))
    expected = "expected 2, the processes asked for; start the worker with torchrun"
    assert isinstance(error, SettingError) and str(error) == f"setting 'WORLD_SIZE' is '1': {expected}"


def test_one_process_in_the_environment_of_several_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingError, match="WORLD_SIZE.*asked to run as one process"):
        stage.run(**arguments(run, tmp_path / "a"))


def test_what_one_process_finds_wrong_is_raised_by_the_launcher(run, tmp_path):
    with pytest.raises(SettingError, match=r"'lora_targets' is \['no_such_layer'\]") as raised:
        train(run, tmp_path / "a", 2, lora_targets=["no_such_layer"])
    assert raised.value.setting == "lora_targets"
