"""Memory estimates: they read a checkpoint's true size, grow with what they should, and size the GPU profiles."""

from dataclasses import replace
from pathlib import Path

import pytest

from groundtune.comparison.planning import plan
from groundtune.errors import CheckpointError, SettingError
from groundtune.preflight import gpu
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.memory import (
    GIB,
    LLAVA_7B,
    LLAVA_13B,
    budgets,
    sampling_bytes,
    scoring_bytes,
    shape_of,
    training_bytes,
)

DEMO = Path(__file__).parents[3] / "groundtune" / "demo" / "checkpoints" / "llava"


def test_the_shape_of_a_checkpoint_is_that_of_the_loaded_model() -> None:
    shape, model = shape_of(str(DEMO)), load_vlm(DEMO).model
    text = model.config.get_text_config()
    assert shape.parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.02)
    assert (shape.layers, shape.hidden, shape.vocabulary) == (text.num_hidden_layers, text.hidden_size, text.vocab_size)


def test_llava_7b_takes_half_a_mebibyte_of_cache_a_token() -> None:
    assert LLAVA_7B.cache_of_token == 2**19


def test_what_is_left_out_of_text_config_is_llama_s_default(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"text_config": {"model_type": "llama", "vocab_size": 32064}}')
    assert shape_of(str(tmp_path)).hidden == 4096 and shape_of(str(tmp_path)).vocabulary == 32064


def test_a_folder_without_a_config_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        shape_of(str(tmp_path))


def test_every_stage_needs_more_for_more_and_for_a_larger_model() -> None:
    for need in (
        lambda shape, n: sampling_bytes(shape, 4096 * n),
        lambda shape, n: scoring_bytes(shape, 4096 * n),
        lambda shape, n: training_bytes(shape, n, 64, checkpointing=False, images=False),
    ):
        assert LLAVA_7B.weights < need(LLAVA_7B, 1) < need(LLAVA_7B, 2) < need(LLAVA_13B, 2)
    plain = training_bytes(LLAVA_7B, 4, 64, checkpointing=False, images=False)
    assert training_bytes(LLAVA_7B, 4, 64, checkpointing=True, images=True) < plain
    assert training_bytes(LLAVA_7B, 4, 64, checkpointing=False, images=True) > plain


def test_budgets_fill_a_gpu_and_stay_within_it() -> None:
    memory = 80 * GIB
    found = budgets(LLAVA_7B, memory)
    cache, tokens = found["sampling"]["cache_tokens"], found["confidence"]["token_budget"]
    assert 0.88 * memory < sampling_bytes(LLAVA_7B, cache) <= 0.92 * memory
    assert scoring_bytes(LLAVA_7B, tokens) <= 0.92 * memory
    assert budgets(LLAVA_13B, 24 * GIB) == {}, "13B does not fit 24 GiB"


def test_a_budget_that_does_not_fit_the_gpu_is_named_with_one_that_does() -> None:
    settings = {"sampling": {"cache_tokens": 200_000}}
    with pytest.raises(SettingError, match="sampling.cache_tokens.*200000.*at most 6144.*gpu_profile"):
        gpu.check_budgets(LLAVA_7B, 22 * GIB, settings, {}, image_preferences=False)
    fitting = budgets(LLAVA_7B, 22 * GIB)
    assert gpu.check_budgets(LLAVA_7B, 22 * GIB, fitting, {}, image_preferences=True)
    with pytest.raises(SettingError, match="more memory"):
        gpu.check_budgets(LLAVA_13B, 22 * GIB, {"sampling": {"cache_tokens": 1024}}, {}, image_preferences=False)


def test_advice_that_only_holds_with_checkpointing_says_so() -> None:
    settings = {"training": {"pairs_per_microbatch": 4}}
    with pytest.raises(SettingError, match="at most 2 with training.gradient_checkpointing true"):
        gpu.check_budgets(LLAVA_7B, 22 * GIB, settings, {}, image_preferences=True)


def test_vllm_keeps_a_cache_of_its_own() -> None:
    settings = {"sampling": {"cache_tokens": 200_000, "engine": "vllm"}}
    assert gpu.check_budgets(LLAVA_7B, 22 * GIB, settings, {}, image_preferences=False) == []


def test_scorers_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"dtype": "float32"}')
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.truncate(60 * GIB)  # a hole: only its size is looked at
    settings = {"alignment": {"scorer_weights": {"claims": 1.0}}}
    with pytest.raises(SettingError, match="scorers.claims.*estimated 30 GiB, the GPU has 22 GiB"):
        gpu.check_budgets(LLAVA_7B, 22 * GIB, settings, {"claims": str(tmp_path)}, image_preferences=False)


def test_every_method_of_a_comparison_is_checked_and_named() -> None:
    common = {"selection": {"max_pairs": 9, "held_out_share": 0.2}, "training": {"answer_tokens": 9}}
    given = [{"name": "one"}, {"name": "two", "trainer": "simulated_rlhf"}, {"name": "three", "reward_model": True}]

    def check(memory: int, **changes: dict) -> list[gpu.Need]:
        methods = [{**method, **changes.get(method["name"], {})} for method in given]
        planned = plan(methods, common, "one", [])
        return gpu.check_budgets(LLAVA_7B, memory, {}, {}, image_preferences=False, methods=planned)

    names = [(need.where, need.setting) for need in check(141 * GIB)]
    assert names == [
        ("method one", "training.pairs_per_microbatch"),
        ("method two", "rlhf.answers_per_microbatch"),
        ("method three", "training.pairs_per_microbatch"),
        ("method three", "reward.token_budget"),
    ]
    with pytest.raises(SettingError, match=r"pairs_per_microbatch' in method one is 4: expected at most 1 "):
        check(40 * GIB, one={"training": {"pairs_per_microbatch": 4}})
    with pytest.raises(SettingError, match=r"answers_per_microbatch' in method two is 32: expected at most \d"):
        check(80 * GIB, two={"rlhf": {"answers_per_microbatch": 32}})
    with pytest.raises(SettingError, match=r"token_budget' in method three is 9999999: expected at most \d"):
        check(80 * GIB, three={"reward": {"token_budget": 9999999}})


def test_without_gpus_nothing_is_asked_and_missing_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.run(str(DEMO), "0", "0", {}, {})
    assert "no GPU asked for" in capsys.readouterr().out
    with pytest.raises(SettingError, match="training_gpus.*0, as accelerator_count"):
        gpu.run(str(DEMO), "0", "1", {}, {})
    with pytest.raises(SettingError, match="accelerator_count.*'two'"):
        gpu.run(str(DEMO), "two", "0", {}, {})


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="this machine has the GPU that must be missing")
def test_a_pool_without_a_usable_gpu_fails_by_name() -> None:
    with pytest.raises(SettingError, match="accelerator_count.*no usable GPU"):
        gpu.run(str(DEMO), "1", "1", {}, {})


def test_grouped_keys_and_values_take_their_share_of_the_cache() -> None:
    assert replace(LLAVA_7B, key_value_heads=8).cache_of_token == LLAVA_7B.cache_of_token // 4
