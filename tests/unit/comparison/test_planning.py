"""Promises of a comparison's plan: presets one can read, equal budgets, wrong settings named in seconds."""

import argparse

import pytest

from groundtune.comparison import planning
from groundtune.comparison.methods import SECTIONS, Method
from groundtune.comparison.teaching import seeded
from groundtune.errors import SettingError
from pipelines.commands.chosen import add_options
from pipelines.commands.chosen import load as load_chosen
from pipelines.config import CompareConfig, load
from pipelines.config_files import preset_names
from pipelines.methods import FOLDER, PRESETS, preset, resolved

COMMON = {name: cls().to_mapping() for name, cls in SECTIONS.items()}
COMMON["selection"] |= {"max_pairs": 50, "held_out_share": 0.2}
COMMON["training"] |= {"answer_tokens": 1000}


def planned(*given, common=COMMON):
    methods = resolved(list(given))
    return planning.methods(methods, common, methods[0]["name"], [])


def test_every_preset_is_a_few_lines_and_a_method():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(PRESETS)
    for name in PRESETS:
        assert len((FOLDER / f"{name}.yaml").read_text().splitlines()) <= 6
        method = Method.of(preset(name))
        assert method.about and method.to_mapping() == preset(name)


def test_all_presets_have_one_budget_and_complete_settings():
    for method in planned(*PRESETS):
        sections = {name: method[name] for name in SECTIONS if name in method}
        assert {"selection", "training"} <= set(sections)
        for name, values in sections.items():
            assert SECTIONS[name].from_mapping(values).to_mapping() == values
        assert (method["selection"]["max_pairs"], method["selection"]["held_out_share"]) == (50, 0.2)


def test_a_method_changes_its_settings_and_nothing_else():
    (method,) = planned({"name": "mine", "based_on": "vanilla_dpo", "selection": {"pairs_per_prompt": 2}})
    changed = {"source": "random", "margin": 0.0, "pairs_per_prompt": 2}
    assert method["selection"] == COMMON["selection"] | changed
    assert method["training"] == COMMON["training"]


def test_another_budget_is_refused_by_name_but_on_a_curve():
    with pytest.raises(SettingError, match=r"max_pairs.*few"):
        planned("m3po", {"name": "few", "based_on": "m3po", "selection": {"max_pairs": 5}})
    curve = {"name": "pairs", "of": "m3po", "value": 0.1}
    few = {"name": "few", "based_on": "m3po", "selection": {"max_pairs": 5}, "curve": curve}
    assert [m["selection"]["max_pairs"] for m in planned("m3po", few)] == [50, 5]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("m4po", "'m4po'.*m3po"),
        ({"name": "x", "based_on": "m4po"}, "m4po"),
        ({"name": "../x"}, "small letters"),
        ({"name": ""}, "small letters"),
        ({"about": "none"}, "name"),
        (7, "names of methods"),
        ({"name": "x", "trainer": "ppo"}, "trainer.*ppo.*sft"),
        ({"name": "x", "reward_model": "yes"}, "reward_model.*true or false"),
        ({"name": "x", "trainer": "sft", "image_preferences": True}, "image_preferences"),
        ({"name": "x", "selection": {"mu": 2}}, "mu.*2"),
        ({"name": "x", "selection": {"mew": 1}}, "mew"),
        ({"name": "x", "selection": 3}, "selection"),
        ({"name": "x", "evaluation": {}}, "evaluation"),
        ({"name": "x", "selection": {"score_by": "reward"}}, "score_by.*reward_model"),
        ({"name": "x", "selection": {"seed": 3}}, "selection.seed.*method x.*3.*its pool"),
        ({"name": "x", "training": {"seed": 3}}, "training.seed"),
        ({"name": "x", "selection": {"source": "given"}}, "selection.source.*given"),
        ({"name": "x", "image_preference": {"finder": "sam3"}}, "image_preference.finder.*sam3"),
        ({"name": "x", "curve": {"name": "K"}}, "curve"),
        ({"name": "x", "curve": {"name": "K", "of": "m3po", "value": "8"}}, "curve.value"),
    ],
)
def test_a_wrong_method_is_named(method, words):
    with pytest.raises(SettingError, match=words):
        planned(method)


def test_a_reward_model_without_held_out_prompts_is_refused():
    with pytest.raises(SettingError, match="held_out_share"):
        planned("rm_dpo", common=COMMON | {"selection": COMMON["selection"] | {"held_out_share": 0.0}})


def test_two_methods_of_one_name_and_no_method_are_refused():
    with pytest.raises(SettingError, match="m3po"):
        planned("m3po", "m3po")
    with pytest.raises(SettingError, match="at least one"):
        resolved([])
    with pytest.raises(SettingError, match="methods.*twin.*m3po"):
        planned("m3po", {"name": "twin", "based_on": "m3po"})


@pytest.mark.parametrize(("section", "name"), [("selection", "max_pairs"), ("training", "answer_tokens")])
def test_without_a_budget_there_is_no_comparison(section, name):
    open_ended = COMMON | {section: COMMON[section] | {name: 0}}
    with pytest.raises(SettingError, match=f"{name}.*budget"):
        planned("m3po", "sft", common=open_ended)
    assert planned("m3po", common=open_ended), "one method alone needs none"


def test_what_a_method_does_not_read_does_not_make_it_anew():
    changed = COMMON | {"rlhf": COMMON["rlhf"] | {"kl": 0.5}, "reward": COMMON["reward"] | {"epochs": 3}}
    before, after = planned(*PRESETS), planned(*PRESETS, common=changed)
    differ = {one["name"] for one, other in zip(before, after, strict=True) if one != other}
    assert differ == {"simulated_rlhf", "rm_dpo", "m3po_multi_pair"}
    (told,) = planned({"name": "m3po", "based_on": "m3po", "about": "in other words"})
    assert told == planned("m3po")[0]


def test_methods_that_nobody_resolved_and_pools_that_are_too_small_are_refused():
    with pytest.raises(SettingError, match="methods.*'m3po'.*mappings"):
        planning.methods(["m3po"], COMMON, "m3po", [])
    with pytest.raises(SettingError, match="rivals.*sft"):
        planning.methods(resolved(["m3po"]), COMMON, "m3po", ["sft"])
    with pytest.raises(SettingError, match="first_candidates.*16.*num_candidates=8"):
        planned({"name": "wide", "based_on": "m3po", "selection": {"first_candidates": 16}})


def test_one_method_may_stand_on_several_curves():
    places = [{"name": name, "of": "m3po", "value": 0.5} for name in ("mu", "lambda")]
    assert resolved([{"name": "m3po", "based_on": "m3po", "curve": places}])[0]["curve"] == places


def test_every_seed_has_a_pool_of_its_own_and_numbers_of_a_struct_are_whole():
    sampling = {"num_candidates": 4}
    assert [pool["seed"] for pool in planning.pools([0, 1.0, 7], sampling)] == [0, 1, 7]
    for wrong in ([], [0, 0], [-1], [0.5], ["0"], [True]):
        with pytest.raises(SettingError, match="seeds"):
            planning.pools(wrong, sampling)


def test_everything_random_of_a_method_follows_the_seed_of_its_pool():
    (method,) = planned("m3po")
    made = seeded(method, 5)
    assert {name for name, values in made.items() if values.get("seed") == 5} == {"selection", "training"}
    (method,) = planned({"name": "all", "based_on": "m3po_mfpo", "reward_model": True})
    assert {name for name, values in seeded(method, 5).items() if values["seed"] == 5} == {
        "selection", "image_preference", "training", "reward",
    }  # fmt: skip


def test_the_demo_preset_loads_and_the_command_line_chooses_methods_and_seeds():
    arguments = load(CompareConfig, preset="demo").arguments()
    assert [method["name"] for method in arguments["methods"]] == list(PRESETS)
    assert len(plan_of(arguments)) == len(PRESETS)
    few = chosen("--preset", "demo", "--methods", "m3po,simulated_rlhf", "--seeds", "4")
    assert [method["name"] for method in few["methods"]] == ["m3po", "simulated_rlhf"] and few["seeds"] == [4]
    two = ("--methods", "m3po_rate_2e-3,simulated_rlhf", "--set", "rivals=[simulated_rlhf]")
    rates = chosen("--preset", "demo-rates", *two)
    assert rates["methods"][1]["training"] == {"learning_rate": 3e-3}, "as the configuration has it, not as the preset"
    assert few["rivals"] == ["simulated_rlhf"], "of the papers' baselines those that are compared"
    with pytest.raises(SettingError, match="champion.*m3po.*sft"):
        chosen("--preset", "demo", "--methods", "sft,vanilla_dpo")


def test_another_engine_than_the_stage_image_s_is_refused():
    with pytest.raises(SettingError, match="engine.*vllm"):
        chosen("--preset", "demo", "--set", "sampling.engine=vllm")


def chosen(*words):
    parser = argparse.ArgumentParser()
    add_options(parser, "compare")
    return load_chosen(argparse.Namespace(pipeline="compare", **vars(parser.parse_args(words)))).arguments()


def plan_of(arguments):
    return planning.methods(arguments["methods"], arguments, arguments["champion"], arguments["rivals"])


@pytest.mark.parametrize("name", preset_names("compare"))
def test_every_comparison_that_comes_with_groundtune_can_be_planned(name):
    places = {"prompts": "s3://b/p.jsonl", "model": "s3://b/m", "benchmarks_root": "s3://b/e"}
    own = {**places, "scorers": {"claims": "s3://b/c"}}
    arguments = load(CompareConfig, preset=name, direct=own if name == "m3po" else {}).arguments()
    assert len(plan_of(arguments)) == len(arguments["methods"]) > 1
