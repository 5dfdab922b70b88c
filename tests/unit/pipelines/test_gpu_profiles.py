"""GPU profiles and resources: tables that fit their cards, layers below the user's own settings."""

import pytest
import yaml

from groundtune.errors import SettingError
from groundtune.preflight.gpu import check_budgets
from groundtune.settings.sections import check_settings
from groundtune.vlm.memory import GIB
from pipelines import config, gpu_profiles, resources

GIVEN = {"prompts": "s3://b/p.jsonl", "model": "s3://b/m", "benchmarks_root": "s3://b/e", "scorers": {"claims": "c"}}


def test_the_table_is_what_the_estimates_give() -> None:
    assert gpu_profiles.FILE.read_text() == gpu_profiles.text(), "python -m pipelines.gpu_profiles writes it"


def test_there_is_a_profile_for_every_card_and_model_size_that_fit_each_other() -> None:
    cards = [f"{gpu}-{size}" for gpu in ("l4", "a100-40", "a100-80", "h100", "h200") for size in ("7b", "13b")]
    assert set(gpu_profiles.table()) == set(cards) - {"l4-13b"}


@pytest.mark.parametrize("profile", sorted(gpu_profiles.table()))
def test_a_profile_holds_valid_settings_that_fit_its_card(profile: str) -> None:
    gpu, _, size = profile.rpartition("-")
    sections = {name: values for name, values in gpu_profiles.table()[profile].items() if name != "node_selector"}
    check_settings(sections)
    memory = int(gpu_profiles.GPUS[gpu][0] * GIB)
    needs = check_budgets(gpu_profiles.SHAPES[size], memory, sections, {}, image_preferences=True)
    assert len(needs) == 4 and max(need.memory for need in needs) <= 0.93 * memory


def test_a_profile_lies_over_the_preset_and_below_the_file_and_the_command_line(tmp_path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**GIVEN, "gpu_profile": "h100-7b", "confidence": {"token_budget": 4096}}))
    arguments = config.load(config.AlignConfig, str(file), "m3po", ("sampling.num_candidates=3",)).arguments()
    profile = gpu_profiles.table()["h100-7b"]
    assert arguments["sampling"]["cache_tokens"] == profile["sampling"]["cache_tokens"]
    assert arguments["sampling"]["num_candidates"] == 3 and arguments["confidence"]["token_budget"] == 4096
    assert arguments["node_selector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    direct = {"gpu_profile": "l4-7b"}
    small = config.load(config.AlignConfig, str(file), "m3po", (), direct).arguments()
    assert small["training"]["gradient_checkpointing"] is True, "the command line's profile wins"


def test_an_evaluation_takes_of_a_profile_what_it_has_a_section_for(tmp_path) -> None:
    direct = {"model": "s3://b/m", "benchmarks_root": "s3://b/e", "gpu_profile": "l4-7b"}
    arguments = config.load(config.EvaluateConfig, "", "", (), direct).arguments()
    assert arguments["evaluation"]["cache_tokens"] == 6144 and "sampling" not in arguments


def test_an_unknown_profile_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SettingError, match="gpu_profile.*'v100'.*a100-80-7b"):
        config.load(config.AlignConfig, "", "m3po", (), {**GIVEN, "gpu_profile": "v100"})


@pytest.mark.parametrize(
    ("placement", "message"),
    [({"node_selector": "gpu"}, "node_selector.*a mapping"), ({"tolerations": {}}, "tolerations.*a list")],
)
def test_a_wrong_placement_is_named(placement, message) -> None:
    with pytest.raises(SettingError, match=message):
        config.load(config.AlignConfig, "", "m3po", (), {**GIVEN, **placement})


def test_digits_of_a_file_are_the_text_that_kfp_wants() -> None:
    arguments = config.load(config.AlignConfig, "", "m3po", (), {**GIVEN, "accelerator_count": 2}).arguments()
    assert arguments["accelerator_count"] == "2" and arguments["training_gpus"] == "2", "unless it is given as well"


def test_a_user_s_resources_lie_over_ours_field_by_field(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("train_dpo: {memory_limit: 200Gi}")
    ours, mine = resources.table()["train_dpo"], resources.table(str(file))["train_dpo"]
    assert mine == {**ours, "memory_limit": "200Gi"}
    assert resources.table(str(file))["evaluate"] == resources.table()["evaluate"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {cpu: 1}", "'train'.*one of"),
        ("train_dpo: {gpu: 1}", "a mapping of cpu"),
        ("train_dpo: {memory: 12 GB}", "train_dpo.memory.*a quantity"),
        ("train_dpo: {memory: 500Gi}", "train_dpo.memory.*at most its limit"),
        ("[", "readable YAML"),
    ],
)
def test_a_wrong_resource_is_named_with_its_file(tmp_path, text, message) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SettingError, match=message) as caught:
        resources.table(str(file))
    assert "mine.yaml" in str(caught.value)
