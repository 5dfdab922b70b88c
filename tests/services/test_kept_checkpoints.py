"""Checkpoints below an s3:// state prefix: taken back only when whole."""

from pathlib import Path

import pytest

from groundtune import storage
from groundtune.errors import StoreUnavailable
from groundtune.training import kept_checkpoints
from groundtune.training.callbacks import last_complete_checkpoint
from tests.fault_proxy import Fault, fault_proxy
from tests.servers import S3Server

FILES = ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json")


def saved(node: Path, step: int) -> Path:
    """A checkpoint folder as the trainer leaves it."""
    folder = node / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(f"{name} {step} ".encode() * 1000)
    return folder


def keep(node: Path, step: int, state: str) -> Path:
    folder = saved(node, step)
    kept_checkpoints.mark(folder)
    kept_checkpoints.keep(folder, state)
    return folder


def test_the_newest_whole_checkpoint_comes_back_with_what_lies_beside_it(bucket: str, tmp_path: Path) -> None:
    for step in (2, 10):
        keep(tmp_path / "lost", step, bucket)
    (tmp_path / "reference-1.safetensors").write_bytes(b"log-probs")
    storage.publish_file(tmp_path / "reference-1.safetensors", f"{bucket}/reference-1.safetensors")
    kept_checkpoints.take_back(bucket, tmp_path / "next", "train_dpo")
    found = last_complete_checkpoint(tmp_path / "next")
    assert found is not None and found.name == "checkpoint-10"
    assert {file.name for file in found.iterdir()} == {*FILES, "COMPLETE"}
    assert (found / FILES[0]).read_bytes() == (tmp_path / "lost" / "checkpoint-10" / FILES[0]).read_bytes()
    assert (tmp_path / "next" / "reference-1.safetensors").read_bytes() == b"log-probs"
    assert not (tmp_path / "next" / "checkpoint-2").exists()  # gigabytes that nobody needs


def test_a_checkpoint_no_longer_kept_here_goes_there_too(bucket: str, tmp_path: Path) -> None:
    old = keep(tmp_path, 2, bucket)
    for file in old.iterdir():
        file.unlink()
    old.rmdir()
    keep(tmp_path, 4, bucket)
    assert {name.split("/")[0] for name in storage.list_files(bucket)} == {"checkpoint-4"}


@pytest.mark.parametrize("missing", ["COMPLETE", "optimizer.pt"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(missing: str, bucket: str, tmp_path: Path) -> None:
    for step in (2, 4):
        keep(tmp_path / "lost", step, bucket)
    storage.remove(f"{bucket}/checkpoint-4/{missing}")
    kept_checkpoints.take_back(bucket, tmp_path / "next", "train_dpo")
    assert last_complete_checkpoint(tmp_path / "next") == tmp_path / "next" / "checkpoint-2"


def test_a_checkpoint_of_two_pods_is_passed_over(bucket: str, tmp_path: Path) -> None:
    for step in (2, 4):
        keep(tmp_path / "lost", step, bucket)
    (tmp_path / "other").write_bytes(b"written by a pod that did not know it was replaced")
    storage.publish_file(tmp_path / "other", f"{bucket}/checkpoint-4/optimizer.pt")
    kept_checkpoints.take_back(bucket, tmp_path / "next", "train_dpo")
    assert last_complete_checkpoint(tmp_path / "next") == tmp_path / "next" / "checkpoint-2"


def test_a_copy_that_failed_midway_is_never_taken_up_even_over_an_older_one(
    bucket: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path / "first", 2, bucket)
    keep(tmp_path / "first", 4, bucket)
    with fault_proxy(int(s3.endpoint.rpartition(":")[2])) as proxy, monkeypatch.context() as patch:
        proxy.faults = [Fault("reset", "up", 20_000, times=1000)]  # within the largest of the files
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        patch.setenv("GROUNDTUNE_S3_PATIENCE", "0.5")
        again = saved(tmp_path / "second", 4)
        saved(tmp_path / "second", 2)
        (again / FILES[1]).write_bytes(b"o" * 200_000)
        kept_checkpoints.mark(again)
        with pytest.raises(StoreUnavailable):
            kept_checkpoints.keep(again, bucket)
    assert "checkpoint-4/COMPLETE" not in storage.list_files(bucket)
    kept_checkpoints.take_back(bucket, tmp_path / "next", "train_dpo")
    assert last_complete_checkpoint(tmp_path / "next") == tmp_path / "next" / "checkpoint-2"
