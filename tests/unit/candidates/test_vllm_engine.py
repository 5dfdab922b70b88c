"""What is asked of vLLM and what is made of its replies.

vLLM itself needs an environment of its own (3.5 GB, another transformers), so its place is taken here by a recorder
that keeps each request and replies with given tokens. That the real one answers as our own engine does is shown by
tests/vllm.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from groundtune.artifacts import read_artifact
from groundtune.candidates import sampling
from groundtune.candidates.engines.vllm_engine import candidate_seed
from groundtune.errors import CheckpointError, SettingError
from groundtune.prompts import prepare
from groundtune.vlm.loader import load_processor
from tests.tiny_checkpoints import tiny_llava
from tests.unit.small_run import write_prompts

SETTINGS = {"engine": "vllm", "num_candidates": 3, "max_new_tokens": 4, "prompts_per_part": 2}


class Recorder:
    """In the place of vllm.LLM. context: max_model_len; extra: tokens that it reads beyond ours."""

    context, extra, refuses = 4096, 0, ""

    def __init__(self, **arguments: Any):
        if self.refuses:
            raise ValueError(self.refuses)
        self.arguments, self.calls = arguments, []
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=self.context))
        self.reader = load_processor(arguments["model"])
        made.append(self)

    def generate(self, requests: list[dict], parameters: list[Any], **options: Any) -> list[Any]:
        self.calls.append((requests, parameters, options))
        return [self._reply(request, one) for request, one in zip(requests, parameters, strict=True)]

    def _reply(self, request: dict, parameters: Any) -> Any:
        ids, token = request["prompt_token_ids"], self.reader.config.image_token_id
        at = ids.index(token)
        read = [*ids[:at], *[token] * (16 + self.extra), *ids[at + 1 :]]
        # an even seed ends its answer, an odd one is cut
        end = self.reader.tokenizer.eos_token_id
        answer = [80, 81, end] if parameters.seed % 2 == 0 else [80, 81, 82, 83]
        return SimpleNamespace(prompt_token_ids=read, outputs=[SimpleNamespace(token_ids=answer)])


made: list[Recorder] = []


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    package, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    kind = type("LLM", (Recorder,), {})
    package.LLM, package.__version__ = kind, "0.0.1"  # type: ignore[attr-defined]
    package.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    request.LoRARequest = lambda *given: given  # type: ignore[attr-defined]
    for name, module in (("vllm", package), ("vllm.lora", lora), ("vllm.lora.request", request)):
        monkeypatch.setitem(sys.modules, name, module)
    made.clear()
    return kind


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    tiny_llava(root / "llava")
    prepare.run(str(write_prompts(root, 6)), str(root), str(root / "llava"), root / "prompts", {})
    return root


def sampled(world: Path, out: Path, **changes: Any) -> Any:
    return sampling.run(world / "prompts", str(world), str(world / "llava"), out, {**SETTINGS, **changes})


def test_a_stage_without_vllm_says_which_setting_and_which_image_cure_it(world: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'engine' in sampling is 'vllm'.*--sampler vllm.*images/sampler-vllm"):
        sampled(world, tmp_path / "out")


def test_vllm_is_asked_with_our_ids_our_settings_and_a_seed_of_each_candidate_s_own(
    world: Path, tmp_path: Path, vllm: type[Recorder]
) -> None:
    sampled(world, tmp_path / "out", temperature=0.7, top_p=0.8, seed=5)
    (engine,) = made
    assert engine.arguments["trust_remote_code"] is False and engine.arguments["load_format"] == "safetensors"
    assert [len(requests) for requests, _, _ in engine.calls] == [6, 6, 6], "3 candidates of 2 prompts at a time"
    parameters = [one for _, own, _ in engine.calls for one in own]
    prompt_seeds = [sampling.prompt_seed(5, f"p{i}") for i in range(6)]
    assert [one.seed for one in parameters] == [candidate_seed(seed, k) for seed in prompt_seeds for k in range(3)]
    assert len({one.seed for one in parameters}) == 18 and max(one.seed for one in parameters) < 2**63
    image = engine.reader.config.image_token_id
    for one in parameters:
        assert (one.temperature, one.top_p, one.max_tokens) == (0.7, 0.8, 4)
        assert one.stop_token_ids == [engine.reader.tokenizer.eos_token_id]
        assert one.logit_bias[image] == -float("inf")
    requests = engine.calls[0][0]
    assert all(request["prompt_token_ids"].count(image) == 1 for request in requests)
    keys = [request["multi_modal_uuids"]["image"][0] for request in requests]
    assert len(set(keys)) == 2 and keys[0] == keys[2], "one key a picture"


def test_replies_become_rows_as_those_of_any_engine(world: Path, tmp_path: Path, vllm: type[Recorder]) -> None:
    artifact = sampled(world, tmp_path / "out")
    rows = list(artifact.rows())
    assert {row["engine"] for row in rows} == {"vllm"}
    assert artifact.manifest["extra"] == {"engine": "vllm", "version": "0.0.1"}
    votes: dict[str, int] = {}
    for row in rows:
        votes[row["prompt_id"]] = votes.get(row["prompt_id"], 0) + row["multiplicity"]
        assert row["finished"] == (len(row["token_ids"]) == 3), "the end token is kept, and says that it ended"
    assert votes == {f"p{i}": 3 for i in range(6)}


def test_a_candidate_is_the_same_whatever_its_batch(world: Path, tmp_path: Path, vllm: type[Recorder]) -> None:
    whole = list(sampled(world, tmp_path / "a").rows())
    assert list(sampled(world, tmp_path / "b", prompts_per_part=6).rows()) == whole


def test_unfinished_parts_of_another_version_are_not_taken_over(
    world: Path, tmp_path: Path, vllm: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Recorder, *given: Any, **options: Any) -> list[Any]:
        if len(self.calls) == 2:
            raise KeyboardInterrupt
        return Recorder.generate(self, *given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(vllm, "generate", killed)
        with pytest.raises(KeyboardInterrupt):
            sampled(world, tmp_path / "out")
    monkeypatch.setattr(sys.modules["vllm"], "__version__", "0.0.2")
    sampled(world, tmp_path / "out")
    assert sum(len(requests) for requests, _, _ in made[-1].calls) == 18, "all six prompts, from the start"


def test_a_prompt_that_fills_the_context_is_a_rejected_row(
    world: Path, tmp_path: Path, vllm: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = sorted(_lengths(world).values())
    monkeypatch.setattr(vllm, "context", lengths[-1])
    made_artifact = sampled(world, tmp_path / "out")
    longest = {name for name, length in _lengths(world).items() if length == lengths[-1]}
    refused = list(made_artifact.rejected())
    assert {row["id"] for row in refused} == longest and longest
    assert all(f"context is {lengths[-1]}" in row["detail"] for row in refused)


def test_a_prompt_that_vllm_reads_differently_stops_the_stage(
    world: Path, tmp_path: Path, vllm: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "extra", 1)
    with pytest.raises(CheckpointError, match=r'id="p0": vLLM 0\.0\.1 reads \d+ tokens of prompt, not our \d+'):
        sampled(world, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_vllm_says_when_it_cannot_start_is_passed_on(
    world: Path, tmp_path: Path, vllm: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "refuses", "Free memory on device is less than desired")
    with pytest.raises(CheckpointError, match=r"Free memory on device.*sampling\.gpu_memory_utilization \(now 0\.9\)"):
        sampled(world, tmp_path / "out")


def _lengths(world: Path) -> dict[str, int]:
    from groundtune.vlm.prompt import placeholder_check

    reader = load_processor(world / "llava")
    return {
        row["id"]: placeholder_check(reader, row["id"], row["instruction"], (row["image_height"], row["image_width"]))
        for row in read_artifact(world / "prompts", "prompts").rows()
    }
