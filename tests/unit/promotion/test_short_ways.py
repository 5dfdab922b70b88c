"""The gate against adapters that really found a short way: one says no to everything, one says as little as it can."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from groundtune.artifacts import Artifact
from groundtune.benchmarks import evaluation
from groundtune.demo.dataset import POPE_SETTINGS, write_demo
from groundtune.promotion.gate import decide
from groundtune.settings import GateSettings, TrainingSettings
from groundtune.training.lora import add_lora
from groundtune.training.padded_batch import answer_batch
from groundtune.vlm.answer_ids import encode_answer
from groundtune.vlm.generate import generate
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import Prefix, encode_prefix
from groundtune.vlm.sampling import Decoding

MODEL = Path(__file__).parents[3] / "groundtune/demo/checkpoints/llava"
PICTURES = 60  # to learn from, and as many to be evaluated on
STEPS, EXAMPLES = 30, 8  # captions, and as many yes/no questions, a step
CAPTION, YES_NO = "chair", "pope_random"
POPE = [f"pope_{split}" for split in POPE_SETTINGS]
SETTINGS = {
    "benchmarks": {name: f"{name}.jsonl" for name in (CAPTION, *POPE)},
    "vocabulary": "vocabulary.json",
    "max_new_tokens": 80,
    "max_yes_no_tokens": 4,
}
CHAIR_ALONE = GateSettings(may_fall={}, may_fall_from_base={}, max_yes_shift=1.0, min_words_share=0.0)
CHAIR_FELL = "chair/chairs is better than the champion's"
OTHERS = ("champion", "base model")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_demo(root, 1, PICTURES, 0)
    return root


@pytest.fixture(scope="module")
def base(world: Path) -> Artifact:
    return evaluated(world, "base")


@pytest.fixture(scope="module")
def no_sayer(world: Path) -> Artifact:
    """No to every question; captions as they were."""
    return taught(world, "no-sayer", lambda about, own: own if about == CAPTION else "No")


@pytest.fixture(scope="module")
def word_saver(world: Path) -> Artifact:
    """Captions end with their first sentence; yes and no as they were."""
    return taught(world, "word-saver", lambda about, own: own.partition(".")[0] + "." if about == CAPTION else own)


def taught(world: Path, name: str, lesson: Callable[[str, str], str]) -> Artifact:
    """What an adapter answers that learnt a lesson on other pictures. lesson: CAPTION or YES_NO and the model's own
    answer -> the answer to learn."""
    vlm = load_vlm(MODEL)
    kinds = [
        [(prefix, encode_answer(vlm, prefix, lesson(about, own))) for prefix, own in answered(vlm, world, about)]
        for about in (CAPTION, YES_NO)
    ]
    add_lora(vlm, TrainingSettings(lora_rank=8, lora_alpha=16))
    optimizer = torch.optim.AdamW([weight for weight in vlm.model.parameters() if weight.requires_grad], lr=3e-3)
    rng = random.Random(0)
    for _ in range(STEPS):
        drawn = [example for kind in kinds for example in rng.sample(kind, EXAMPLES)]
        batch = answer_batch(*zip(*drawn, strict=True), vlm.family, vlm.tokenizer.pad_token_id)
        optimizer.zero_grad()
        vlm.model(**batch).loss.backward()
        optimizer.step()
    vlm.model.save_pretrained(world / name)
    return evaluated(world, f"answers of the {name}", str(world / name))


def answered(vlm: Vlm, world: Path, about: str) -> list[tuple[Prefix, str]]:
    """Prompts of the validation split with the model's own answers."""
    lines = (world / "validation" / f"{about}.jsonl").read_text().splitlines()
    prefixes = []
    for row in map(json.loads, lines):
        picture = Image.open(world / "validation" / "images" / Path(row["image"]).name)
        prefixes.append(encode_prefix(vlm, picture.filename, row.get("text") or row["instruction"], picture))
    own = generate(vlm, prefixes, Decoding(80, 0.0, 1.0, 1), [0] * len(prefixes))
    return [(prefix, answer.text) for prefix, (answer,) in zip(prefixes, own, strict=True)]


def evaluated(world: Path, name: str, adapter: str = "") -> Artifact:
    return evaluation.run(str(world / "eval"), str(MODEL), world / name, SETTINGS, adapter=adapter)


def broken(base: Artifact, challenger: Artifact) -> list[str]:
    """The rules that do not hold, the base model being champion."""
    return [rule.asked for rule in decide(base, challenger, base, GateSettings()).rules if not rule.holds]


def test_one_that_learnt_to_say_no_to_everything_is_refused_by_what_it_does_to_yes_and_no(
    base: Artifact, no_sayer: Artifact
) -> None:
    found = broken(base, no_sayer)
    for other, limit in zip(OTHERS, ("0.01", "0.03"), strict=True):
        assert f"pope/f1 is at most {limit} worse than the {other}'s" in found
        for name in POPE:
            assert f"{name}: the share of yes is within 0.1 of the {other}'s" in found
    assert not [rule for rule in found if "words" in rule], "it goes on describing"


def test_one_that_learnt_to_say_little_has_a_better_chair_and_is_refused_all_the_same(
    base: Artifact, word_saver: Artifact
) -> None:
    alone = decide(base, word_saver, base, CHAIR_ALONE)
    assert alone.promote and alone.rules[0].asked == CHAIR_FELL, alone.markdown()
    assert broken(base, word_saver) == [
        "chair/recall is at most 0.02 worse than the champion's",
        "chair/recall is at most 0.05 worse than the base model's",
        "a caption has at least 0.6 of the champion's words",
        "a caption has at least 0.6 of the base model's words",
    ]
