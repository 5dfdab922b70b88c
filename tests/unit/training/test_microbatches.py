"""How an optimizer step is shared out: every pair once, with the weight that it has in one process alone."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from groundtune.errors import GroundtuneError, RecordError, SettingError
from groundtune.preflight.inputs import check_parallel, check_seen_by_all
from groundtune.settings import TrainingSettings
from groundtune.settings.parallel import ParallelSettings
from groundtune.training import job, launch
from groundtune.training.microbatches import Microbatches
from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import up_to_pairs

SETTINGS = {
    "pairs_per_step": 12, "epochs": 2, "lora_rank": 4, "lora_alpha": 8, "learning_rate": 5e-3, "checkpoint_every": 9,
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return up_to_pairs(root, tiny_llava(root / "llava"), tiny_clip(root / "clip"))


def train(small, out, pairs_per_microbatch):
    settings = {**SETTINGS, "pairs_per_microbatch": pairs_per_microbatch}
    return launch.run(
        small.prompts, small.shards("confidence"), small.pairs, str(small.root), str(small.model), out, settings
    )


def weights_of(artifact):
    return load_file(artifact.path / "adapter_model.safetensors")


def log_of(artifact):
    return [json.loads(line) for line in (artifact.path / "training_log.jsonl").read_text().splitlines()]


@given(pairs=st.integers(1, 40), share=st.integers(1, 6), size=st.integers(1, 6), count=st.integers(1, 5))
def test_every_step_meets_the_pairs_of_one_process_each_once(pairs, share, size, count):
    per_step = share * count
    settings = TrainingSettings(
        pairs_per_step=per_step, pairs_per_microbatch=max(d for d in range(1, size + 1) if per_step % d == 0)
    )
    data = list(range(pairs))
    ranks = [Microbatches(data, settings, rank, count) for rank in range(count)]
    assert len({len(one) for one in ranks}) == 1, "a process with fewer would leave the others waiting"
    for step in range(-(-pairs // per_step)):
        turns = range(step * ranks[0].per_step, min((step + 1) * ranks[0].per_step, len(ranks[0])))
        met = [one[turn] for turn in turns for one in ranks]
        assert [pair for microbatch in met if microbatch.counts for pair in microbatch.pairs] == (
            data[step * per_step : (step + 1) * per_step]
        )
        assert ranks[0].pairs_in(step) == sum(len(microbatch.pairs) for microbatch in met if microbatch.counts)
        assert max(len(microbatch.pairs) for microbatch in met) <= size


def test_the_last_smaller_step_weighs_its_pairs_alike_however_they_are_cut(small, tmp_path):
    """16 places, steps of 12: a last step of 4 pairs, cut into 3 and 1. Each has a quarter, not a sixth or a half."""
    whole, cut = train(small, tmp_path / "a", 12), train(small, tmp_path / "b", 3)
    assert log_of(cut)[-1]["loss"] == pytest.approx(log_of(whole)[-1]["loss"], rel=1e-5)
    assert log_of(cut)[-1]["grad_norm"] == pytest.approx(log_of(whole)[-1]["grad_norm"], rel=1e-4)
    for name, weight in weights_of(whole).items():
        torch.testing.assert_close(weights_of(cut)[name], weight, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("parallel", "gpus", "over_nodes", "message"),
    [
        ({}, "3", False, r"'pairs_per_step' is 32: expected a multiple of the 3 processes"),
        ({"nodes": 3}, "2", True, r"'pairs_per_step' is 32: expected a multiple of the 6 processes"),
        ({"nodes": 2}, "1", False, r"'nodes' in parallel is 2: expected 1"),
        ({}, "many", False, r"'training_gpus' is 'many': expected a whole number"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_before_anything_is_sampled(parallel, gpus, over_nodes, message):
    with pytest.raises(SettingError, match=message):
        check_parallel(TrainingSettings(), ParallelSettings(**parallel), gpus, over_nodes)
    check_parallel(TrainingSettings(), ParallelSettings(nodes=2), "4", over_nodes=True)


def test_a_place_that_other_nodes_cannot_see_is_refused_before_anything_is_sampled():
    check_seen_by_all({"model": "s3://bucket/llava"})
    with pytest.raises(SettingError, match="'images_root' is '/data': expected an s3:// prefix"):
        check_seen_by_all({"model": "s3://bucket/llava", "images_root": "/data"})


@pytest.mark.parametrize(
    "error", [SettingError("beta", 3, "less", "training"), RecordError("kitchen-31", "reward", "is nan"),
              GroundtuneError("plain")],
)  # fmt: skip
def test_an_error_survives_the_way_through_a_file(tmp_path, error):
    job.write_failure(str(tmp_path), 1, RuntimeError("connection reset by peer"))
    job.write_failure(str(tmp_path), 3, error)
    found = job.failure_in(str(tmp_path))
    assert type(found) is type(error) and str(found) == str(error) and vars(found) == vars(error)


def test_what_is_left_beside_the_job_holds_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-51d0")
    job.write_failure(str(tmp_path), 0, SettingError("endpoint", "http://x?k=canary-51d0", "one without canary-51d0"))
    assert "canary-51d0" not in (tmp_path / "failed-0.json").read_text()
