"""What is said of a comparison's pairs is what the drawn scenes hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.pair_truth import SEED, Truth, figures
from groundtune.demo.dataset import write_demo
from groundtune.demo.drawn_world import DRAWN_WORLD


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    write_demo(out, 2, 1, SEED)
    return out


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    sides = {"chosen": chosen, "rejected": rejected}
    told = {f"{side}_confidence": -0.5 for side in sides} | {f"{side}_tokens": [1, 2] for side in sides}
    return {"prompt_id": prompt, **sides, **told}


def test_pairs_are_held_against_the_scene_of_their_prompt(data: Path) -> None:
    truth = Truth(data)
    prompts = [json.loads(line)["id"] for line in (data / "prompts.jsonl").read_text().splitlines()]
    scenes = list(DRAWN_WORLD.scenes(SEED, "prompts", 2))
    there = sorted(scenes[0].kinds)
    absent = sorted({kind for scene in DRAWN_WORLD.scenes(SEED, "prompts", 50) for kind in scene.kinds} - set(there))
    seen = " ".join(f"There is a {kind}." for kind in there)
    right = pair(prompts[0], seen, f"{seen} There is a {absent[0]}.")
    wrong = pair(prompts[0], f"There is a {absent[0]}.", f"There is a {there[0]}.")

    found = figures([[right], [wrong]], truth)

    assert (found["right"], found["wrong"], found["pairs"]) == (0.5, 0.5, 2)
    assert (found["chosen_hallucinates"], found["rejected_hallucinates"]) == (0.5, 0.5)
    assert found["chosen_covers"] == 0.5
    assert found["rejected_covers"] == pytest.approx((1 + 1 / len(there)) / 2)
    assert (found["rejected_confidence"], found["chosen_tokens"]) == (-0.5, 2)


def test_where_objects_are_alike_a_wrong_colour_orders_a_pair(data: Path) -> None:
    truth = Truth(data)
    (scene,) = DRAWN_WORLD.scenes(SEED, "prompts", 1)
    (prompt, *_) = truth.scenes
    thing = scene.entities[0]
    its = {entity.colour for entity in scene.entities if entity.kind == thing.kind}
    other = next(colour for colour in DRAWN_WORLD.inventory.colours if colour not in its)
    true, false = (f"There is a {colour} {thing.kind}." for colour in (thing.colour, other))
    assert not truth.miscoloured(prompt, true) and truth.miscoloured(prompt, false)
    found = figures([[pair(prompt, true, false)], [pair(prompt, false, true)]], truth)
    assert (found["right_by_colour"], found["right"], found["wrong"]) == (0.5, 0, 0)
