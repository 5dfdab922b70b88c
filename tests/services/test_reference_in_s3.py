"""Promises of the reference pass with its unfinished parts in a real object store: a node that is lost costs the parts
that it had not stored, and a bucket that is not there costs seconds."""

import subprocess
import sys

import pytest

from groundtune import storage
from groundtune.candidates import confidence
from groundtune.errors import StorageError
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

SETTINGS = {"prompts_per_part": 2}
# A node that is lost while the third part is on its way.
LOST = """
import os, signal, sys
from groundtune.artifact_writing import ArtifactWriter
from groundtune.candidates import confidence

write = ArtifactWriter.write_part

def lost(self, index, *given):
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, index, *given)

ArtifactWriter.write_part = lost
confidence.run(*sys.argv[1:], {"prompts_per_part": 2})
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))


def arguments(small, out):
    candidates = small.shards("candidates")[0]
    return [str(place) for place in (small.prompts, candidates, small.root, small.model, out)]


def test_another_node_goes_on_with_the_parts_of_a_lost_one(small, bucket, tmp_path, monkeypatch):
    whole = confidence.run(*arguments(small, tmp_path / "whole"), SETTINGS)
    monkeypatch.setenv("GROUNDTUNE_STATE", f"{bucket}/state")
    lost = subprocess.run([sys.executable, "-c", LOST, *arguments(small, tmp_path / "a")], check=False)
    assert lost.returncode == -9
    kept = [name for name in storage.list_files(f"{bucket}/state") if "/part-" in name]
    assert sorted(name.rpartition("/")[2] for name in kept) == ["part-00000.parquet", "part-00001.parquet"]
    seen, real = [], confidence.branch_logprobs

    def watched(vlm, prefixes, branches, **named):
        seen.extend(prefix.record_id for prefix in prefixes)
        return real(vlm, prefixes, branches, **named)

    monkeypatch.setattr(confidence, "branch_logprobs", watched)
    resumed = confidence.run(*arguments(small, tmp_path / "another-node" / "b"), SETTINGS)
    assert seen == [f"p{i}" for i in range(4, 8)]
    assert resumed.digest == whole.digest


def test_a_bucket_that_is_not_there_is_refused_before_the_model_is_read(small, s3, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDTUNE_STATE", "s3://no-such-bucket/state")
    *given, _, out = arguments(small, tmp_path / "a")
    with pytest.raises(StorageError, match="check the bucket's name"):
        confidence.run(*given, "/no/such/model", out, SETTINGS)
