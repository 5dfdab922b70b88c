"""The world's questions in the layouts of MME and AMBER: official files, true answers, pictures that exist."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from groundtune.demo.dataset import write_demo
from groundtune.demo.language import NUMBERS, mentions
from groundtune.demo.mme_questions import ENDING, MOST_PICTURES
from groundtune.demo.world import DRAWN, Entity, Scene, scenes

PICTURES = 80
SPLITS = ("validation", "eval")
# Written before the world asked anything but POPE and CHAIR.
EARLIER = {
    "chair.jsonl": "facd2c87c8034f6e8fefc51ffd3d6a2009e1c8ba0d9e91fbd8fd8e3a55aa5d22",
    "pope_random.jsonl": "04833fe2139f090ed0d784d7537d0911040ccb47144eeb9e651d4ba6cbfdf324",
    "pope_popular.jsonl": "d5b4c4889bbdea5512b5b1126bc09ad296cee66ef0716344c039aa032426ba31",
    "pope_adversarial.jsonl": "efd6d7f800d0a6ab6d589c8510e67635ddf3fdf665da62e007bb3f638c92bbd5",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    write_demo(out, prompts=1, evaluation=PICTURES, seed=4)
    return out


def _scenes(split: str) -> dict[str, Scene]:
    return {f"{split}-{n:06d}.png": scene for n, scene in enumerate(scenes(4, split, PICTURES), 1)}


def _entity(scene: Scene, kind: str) -> Entity | None:
    return next((entity for entity in scene.entities if entity.kind == kind), None)


def _holds(text: str, scene: Scene) -> bool:
    """The truth of any question of this file, read from its words and not from how it was made."""
    first, *second = mentions(text)
    entity = _entity(scene, first.kind)
    if second:
        other = _entity(scene, second[0].kind)
        assert entity is not None and other is not None and entity.count == other.count == 1
        across, down = entity.cell % 3 - other.cell % 3, entity.cell // 3 - other.cell // 3
        told = {"left": across < 0, "right": across > 0, "above": down < 0, "below": down > 0}
        return next(holds for word, holds in told.items() if re.search(rf"\b{word}\b", text))
    if entity is None:
        return False
    number = next((n for n, word in NUMBERS.items() if re.search(rf"\b{word}\b", text)), entity.count)
    colour = re.search(r"\b(red|orange|yellow|green|blue|purple)\b", text)
    return number == entity.count and (colour is None or colour[0] == entity.colour)


@pytest.mark.parametrize("name", EARLIER)
def test_pope_and_chair_files_are_what_they_were_before(written: Path, name: str) -> None:
    assert hashlib.sha256((written / "eval" / name).read_bytes()).hexdigest() == EARLIER[name]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", ["existence", "count", "position", "color"])
def test_mme_asks_of_every_picture_one_question_to_affirm_and_one_to_deny(written: Path, split: str, task: str) -> None:
    lines = [line.split("\t") for line in (written / split / "mme" / f"{task}.txt").read_text().splitlines()]
    of = _scenes(split)
    assert 0 < len(lines) <= 2 * MOST_PICTURES
    for (image, text, truth), (again, denied, untruth) in zip(lines[::2], lines[1::2], strict=True):
        assert image == again and (written / split / "images" / image).is_file()
        assert text.endswith(ENDING) and denied.endswith(ENDING)
        assert (truth, untruth) == ("Yes", "No")
        assert _holds(text.removesuffix(ENDING), of[image]) and not _holds(denied.removesuffix(ENDING), of[image])


def test_mme_counts_ask_for_more_than_one_thing_often_enough(written: Path) -> None:
    asked = Counter(
        next((word for word in NUMBERS.values() if f" {word} " in line), "")
        for line in (written / "eval/mme/count.txt").read_text().splitlines()
        if line.endswith("\tYes")
    )
    assert set(asked) == set(NUMBERS.values()) and asked["one"] <= 0.7 * asked.total()


def _amber(written: Path, split: str) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    folder = written / split / "amber"
    annotations = json.loads((folder / "annotations.json").read_text())
    return json.loads((folder / "query_all.json").read_text()), {row["id"]: row for row in annotations}


@pytest.mark.parametrize("split", SPLITS)
def test_amber_annotations_answer_every_query_by_its_id(written: Path, split: str) -> None:
    queries, annotations = _amber(written, split)
    assert [row["id"] for row in queries] == list(annotations) == list(range(1, len(queries) + 1))
    folder = written / split / "amber"
    parts = [json.loads((folder / f"query_{part}.json").read_text()) for part in ("generative", "discriminative")]
    assert parts[0] + parts[1] == queries
    groups = [json.loads((folder / f"query_discriminative-{g}.json").read_text()) for g in ("attribute", "existence")]
    assert groups[0] + groups[1] == parts[1]
    for row in queries:
        assert set(row) == {"id", "image", "query"} and (written / split / "images" / row["image"]).is_file()


@pytest.mark.parametrize("split", SPLITS)
def test_amber_truths_are_true_and_balanced_where_amber_balances_them(written: Path, split: str) -> None:
    queries, annotations = _amber(written, split)
    of, told = _scenes(split), Counter[tuple[str, str]]()
    for row in queries:
        annotation, scene = annotations[row["id"]], of[row["image"]]
        if annotation["type"] == "generative":
            assert set(annotation["truth"]) == set(scene.kinds)
            assert set(annotation["hallu"]) == {DRAWN.companion[kind] for kind in scene.kinds} - set(scene.kinds)
            continue
        assert _holds(row["query"], scene) == (annotation["truth"] == "yes"), row
        told[annotation["type"], annotation["truth"]] += 1
    for kind in ("discriminative-attribute-state", "discriminative-attribute-number"):
        assert told[kind, "yes"] == told[kind, "no"] == 60
    assert told["discriminative-hallucination", "no"] > 60 and not told["discriminative-hallucination", "yes"]


def test_amber_vocabulary_holds_every_object_and_no_safe_word(written: Path) -> None:
    relation = json.loads((written / "eval/amber/relation.json").read_text())
    safe = (written / "eval/amber/safe_words.txt").read_text().split("\n")
    words = set(relation) | {word for associates in relation.values() for word in associates}
    _, annotations = _amber(written, "eval")
    said = {word for row in annotations.values() if row["type"] == "generative" for word in row["truth"] + row["hallu"]}
    assert said <= set(relation) and not words & set(safe) and all(safe)
