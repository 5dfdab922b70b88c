"""The pieces of the probe: which questions, which images, which figures; without a model."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.modality_probe.choice import choose_captions, choose_questions, drawn
from groundtune.benchmarks.modality_probe.figures import FIGURES
from groundtune.benchmarks.modality_probe.locating import Locator
from groundtune.benchmarks.modality_probe.pairs import BranchSums, image_reward, text_reward
from groundtune.benchmarks.modality_probe.questions import asked_about, lift
from groundtune.benchmarks.modality_probe.results import estimate_of, results_of, table_of
from groundtune.benchmarks.modality_probe.views import destroyed, removed
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.records import PROBE as SCHEMA
from groundtune.settings import EvaluationSettings, ImagePreferenceSettings, ProbeSettings
from tests.unit.benchmarks.probe_world import EVALUATION, REGIONS, AnywhereFinder, ColourFinder, draw, write_scenes

SETTINGS = ProbeSettings(bootstrap_resamples=50)
NAMES = {f"{figure.section}.{figure.name}": figure for figure in FIGURES}


def row(probe: str, **values: object) -> dict:
    return dict.fromkeys(SCHEMA.names) | {"probe": probe, "image": "a.png", "question_id": "1", **values}


def test_only_what_is_there_is_asked_about_and_once(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "w")
    chosen = choose_questions(str(root), EvaluationSettings.from_mapping(EVALUATION), 99, seed=0)[0]
    assert len(chosen) == 12, "two things in each of six images; the two splits ask the same of them"
    assert {question.truth for question in chosen} == {"yes"}
    assert all(question.image.startswith("images/") for question in chosen)
    captions = choose_captions(str(root), EvaluationSettings.from_mapping(EVALUATION), 4, seed=0)[0]
    assert len({question.image for question in captions}) == 4


def test_the_choice_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "w")
    settings = EvaluationSettings.from_mapping(EVALUATION)
    before = choose_questions(str(root), settings, 5, seed=3)[0]
    for name in ("pope.jsonl", "popular.jsonl"):
        lines = (root / name).read_text().splitlines()
        random.Random(0).shuffle(lines)
        (root / name).write_text("\n".join(lines))
    assert choose_questions(str(root), settings, 5, seed=3)[0] == before
    assert choose_questions(str(root), settings, 5, seed=4)[0] != before


def test_a_smaller_draw_is_the_start_of_a_larger_one_and_a_new_item_moves_none() -> None:
    items = [f"q{i}" for i in range(20)]
    whole = drawn(items, 20, 0, str)
    assert drawn(items, 5, 0, str) == whole[:5] and whole != items
    assert [item for item in drawn([*items, "new"], 21, 0, str) if item != "new"] == whole


def test_destroying_a_region_leaves_the_rest_untouched_and_uses_the_same_noise() -> None:
    image = draw(["dog", "cup"])
    mask = np.zeros((28, 28), dtype=bool)
    mask[4:12, 3:20] = True
    whole, region = (np.asarray(destroyed(image, SETTINGS, where)) for where in (None, mask))
    assert (region[~mask] == np.asarray(image)[~mask]).all()
    assert (region[mask] == whole[mask]).all()
    assert (whole != np.asarray(image)).any(-1).mean() > 0.9
    assert (np.asarray(destroyed(image.copy(), SETTINGS)) == whole).all()
    assert (np.asarray(destroyed(image, ProbeSettings(seed=1))) != whole).any()


def test_a_removed_image_is_nearly_zero_for_the_model(llava_processor) -> None:
    grey = removed(draw(["dog"], 36), llava_processor)
    assert grey.size == (36, 28)
    pixels = torch.as_tensor(llava_processor(images=[grey], return_tensors="pt")["pixel_values"])
    assert float(pixels.abs().max()) < 0.5 / 255 / min(llava_processor.image_std) + 1e-6


@pytest.fixture
def llava_processor(tmp_path: Path):
    from groundtune.vlm.loader import load_processor
    from tests.tiny_checkpoints import tiny_llava

    return load_processor(tiny_llava(tmp_path / "llava")).processor.image_processor


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("Is there a dog in the image?", "dog"),
        ("Can you see one or more than one traffic light here?", "traffic light"),
        ("Does the picture show a red circle?", "red circle"),
    ],
)
def test_the_thing_that_is_asked_about_is_looked_for(text: str, thing: str) -> None:
    settings = ImagePreferenceSettings.from_mapping(REGIONS)
    locator = Locator(load_tagger(settings), AnywhereFinder(), settings)
    (place,) = locator.locate([draw(["dog"])], [asked_about(text)], most=1)
    assert place.phrases == (thing,) and place.mask is not None and place.mask.mean() == 0.5


def test_a_place_says_why_it_has_no_region() -> None:
    settings = ImagePreferenceSettings.from_mapping(REGIONS | {"largest_region": 0.4})
    tagger, image = load_tagger(settings), draw(["dog"])
    texts = ["a dog", "a cat", "!"]
    places = Locator(tagger, ColourFinder(), settings).locate([image] * 3, texts)
    assert [place.missing for place in places] == ["", "not_found", "no_keyword"]
    assert places[0].columns["region_area"] == pytest.approx(60 / 28**2)
    (large,) = Locator(tagger, AnywhereFinder(), settings).locate([image], ["a dog"])
    assert (large.missing, large.mask) == ("whole_image", None)


def test_figures_of_questions_by_hand() -> None:
    rows = [
        row("question", image="a", answer="Yes", answer_destroyed="yes, I do", answer_removed="No", region_area=None,
            p_yes=0.9, p_yes_destroyed=0.4, p_yes_removed=0.1),
        row("question", image="b", answer="Yes", answer_destroyed="No.", answer_removed="No", region_area=0.2,
            answer_region="No", p_yes=0.7, p_yes_destroyed=0.6, p_yes_removed=0.7, p_yes_region=0.2,
            attention_image=0.6, attention_region=1.5),
    ]  # fmt: skip
    found = results_of(rows, SETTINGS)
    question = found["question"]
    values = {name: figure["value"] for name, figure in question.items() if isinstance(figure, dict)}
    assert values["changed_destroyed"] == 0.5 and values["changed_removed"] == 1.0
    assert values["changed_region"] == 1.0, "of the one question whose thing was found"
    assert values["p_yes"] == pytest.approx(0.8)
    assert values["p_yes_drop_destroyed"] == pytest.approx(0.3) and values["p_yes_drop_region"] == pytest.approx(0.5)
    assert (question["asked"], question["region_found"], question["region_not_found"]) == (2, 1, 1)
    assert found["attention"]["image_share"]["value"] == 0.6 and found["attention"]["region_lift"]["value"] == 1.5
    assert json.dumps(found, allow_nan=False)


def test_figures_of_captions_by_hand() -> None:
    rows = [
        row(
            "caption",
            answer="A red dog and a cup.",
            answer_destroyed="A red dog.",
            answer_removed="A red dog and a cup.",
        ),
        row("caption", image="b", answer="", answer_destroyed="", answer_removed="A cat."),
    ]
    values = {
        name: figure["value"]
        for name, figure in results_of(rows, SETTINGS)["caption"].items()
        if isinstance(figure, dict)
    }
    assert values["changed_destroyed"] == 0.5 and values["kept_destroyed"] == pytest.approx((2 / 3 + 1) / 2)
    assert values["changed_removed"] == 0.5 and values["kept_removed"] == 0.5
    assert "changed_region" not in values


def test_rewards_by_hand() -> None:
    own, reference = BranchSums(-1.0, -5.0, -4.0, -6.0), BranchSums(-2.0, -3.0, -2.5, -6.0)
    assert text_reward(own, reference) == (-1 + 2) - (-5 + 3)
    assert image_reward(own, reference) == (-1 + 2) - (-4 + 2.5)
    assert not BranchSums(-1.0, float("nan"), 0.0, 0.0).finite


def test_an_interval_is_over_images_and_not_over_questions() -> None:
    """Ten questions about one image are one observation: there is nothing to resample."""
    figure = NAMES["question.p_yes"]
    one = table_of(figure, [row("question", p_yes=value / 10) for value in range(10)])
    assert one is not None and len(one.units) == 1
    estimate = estimate_of(one, Resampling(50))
    assert estimate.low == estimate.value == estimate.high == pytest.approx(0.45)
    many = table_of(figure, [row("question", image=str(value), p_yes=value / 10) for value in range(10)])
    assert many is not None
    wide = estimate_of(many, Resampling(50))
    assert wide.low < wide.value < wide.high


def test_the_lift_of_attention_by_hand() -> None:
    even = torch.full((4,), 0.1)
    inside = torch.tensor([1.0, 0.0, 0.5, 0.0])
    assert lift(even, inside) == pytest.approx(1.0)
    assert lift(torch.tensor([0.4, 0.0, 0.0, 0.0]), inside) == pytest.approx((0.4 / 1.5) / 0.1)
    assert lift(even, torch.zeros(4)) is None
