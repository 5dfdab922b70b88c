"""Every kind of method, from one real pool of the demo model to its adapter."""

import pytest

from groundtune.artifacts import read_artifact
from groundtune.candidates.held_out import held_out
from groundtune.comparison import planning, pooling, teaching
from groundtune.demo.dataset import write_demo
from groundtune.folder_artifacts import read_folder
from groundtune.prompts import prepare
from pipelines.config import CompareConfig, load
from pipelines.methods import resolved

SHARE = 0.5


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """(pool, models, plan, arguments): one seed's pool of a few demo prompts, methods under the demo's settings."""
    root = tmp_path_factory.mktemp("pool")
    write_demo(root / "data", 40, 4, seed=0)
    arguments = load(CompareConfig, preset="demo").arguments()
    arguments["selection"] |= {"max_pairs": 8, "held_out_share": SHARE}
    arguments["training"] |= {"answer_tokens": 600, "pairs_per_step": 4, "pairs_per_microbatch": 4}
    arguments["rlhf"] |= {"group": 4, "prompts_per_step": 2, "answers_per_microbatch": 8}
    models = {
        "model": arguments["model"],
        "scorers": arguments["scorers"],
        "region_models": {},
        "images_root": str(root / "data"),
    }
    out = {name: root / name for name in ("candidates", "alignment", "confidence", "scores")}
    prepare.run(str(root / "data/prompts.jsonl"), models["images_root"], models["model"], root / "prompts", {})
    sampling = arguments["sampling"] | {"num_candidates": 5, "seed": 3}
    pooling.run(
        root / "prompts", models["images_root"], models["model"], models["scorers"], out, sampling,
        arguments["alignment"], arguments["confidence"],
    )  # fmt: skip

    def plan(name):
        return planning.methods(resolved([name]), arguments, name, [])[0]

    return {"prompts": root / "prompts", **out}, models, plan, arguments


def taught(shared, name, tmp_path):
    pool, models, plan, arguments = shared
    made = teaching.run(
        pool, models, tmp_path / "pairs", tmp_path / "adapter", plan(name), arguments["alignment"],
        arguments["confidence"],
    )  # fmt: skip
    results = read_folder(tmp_path / "adapter", "adapter").results
    assert (results["method"], results["seed"]) == (name, 3)
    assert 600 <= results["answer_tokens"] < 900 and results["seconds"] > 0
    ids = [pair["prompt_id"] for pair in made.pairs.rows()]
    assert ids and not held_out(ids, SHARE, 3).any(), "no method learns from the reward model's prompts"
    return list(made.pairs.rows()), results


@pytest.mark.parametrize("name", ["sft", "vanilla_dpo"])
def test_methods_of_text(shared, tmp_path, name):
    pairs, _ = taught(shared, name, tmp_path)
    assert len(pairs) == 8


def test_simulated_rlhf_learns_from_answers_of_its_own(shared, tmp_path):
    _, results = taught(shared, "simulated_rlhf", tmp_path)
    assert 0 < results["first_reward"] < 1 and results["kl"] >= 0


def test_a_reward_head_orders_the_pairs_of_rm_dpo(shared, tmp_path):
    pairs, results = taught(shared, "rm_dpo", tmp_path)
    assert results["reward"]
    rewarded = {row["candidate_id"]: row["mas"] for row in read_artifact(shared[0]["scores"], "scores").rows()}
    assert any(rewarded[pair["chosen_id"]] < rewarded[pair["rejected_id"]] for pair in pairs) or len(pairs) == 8
    assert all(pair["chosen_m3p"] > 0 for pair in pairs)


@pytest.mark.parametrize("name", ["m3po_mfpo"])
def test_methods_of_images_learn_from_a_third_branch(shared, tmp_path, name):
    _, results = taught(shared, name, tmp_path)
    assert results["image_pairs"] == 8
