"""Promises about the patch finder where its features mean something: on the demo's trained CLIP and held-out scenes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groundtune.demo.claims import absent_kinds
from groundtune.demo.draw import box, render
from groundtune.demo.world import scenes
from groundtune.errors import SettingError
from groundtune.preferences.image_preference.regions.patch_similarity import PatchSimilarityFinder

CLIP = Path("groundtune/demo/checkpoints/clip")
SCENES = list(scenes(0, "measure", 40))


@pytest.fixture(scope="module")
def finder() -> PatchSimilarityFinder:
    return PatchSimilarityFinder(Path(__file__).parents[5] / CLIP)


def test_what_is_there_is_found_in_its_place(finder: PatchSimilarityFinder) -> None:
    asked = [[f"{entity.colour} {entity.kind}" for entity in scene.entities] for scene in SCENES]
    answers = finder.find([render(scene) for scene in SCENES], asked)
    found, precision, recall = [], [], []
    for scene, row in zip(SCENES, answers, strict=True):
        for entity, region in zip(scene.entities, row, strict=True):
            truth = np.zeros(region.mask.shape, dtype=bool)
            for placement in entity.placements:
                left, top, right, bottom = box(placement)
                truth[top:bottom, left:right] = True
            found.append(region.score >= 0.5)
            precision.append((truth & region.mask).sum() / region.mask.sum())
            recall.append((truth & region.mask).sum() / truth.sum())
    assert np.mean(found) > 0.85
    assert np.mean(precision) > 0.7 and np.mean(recall) > 0.85


def test_what_is_not_there_is_not_found(finder: PatchSimilarityFinder) -> None:
    answers = finder.find([render(scene) for scene in SCENES], [absent_kinds(scene)[:4] for scene in SCENES])
    assert np.mean([region.score >= 0.5 for row in answers for region in row]) < 0.15


def test_a_wide_picture_is_searched_within_its_crop_only(finder: PatchSimilarityFinder) -> None:
    scene = next(scene for scene in SCENES if any(entity.cell == 4 and entity.count == 1 for entity in scene.entities))
    entity = next(entity for entity in scene.entities if entity.cell == 4)
    wide = Image.new("RGB", (400, 144), (245, 245, 245))
    wide.paste(render(scene), (128, 0))
    (region,) = finder.find([wide], [[f"{entity.colour} {entity.kind}"]])[0]
    (alone,) = finder.find([render(scene)], [[f"{entity.colour} {entity.kind}"]])[0]
    assert region.score == pytest.approx(alone.score, abs=1e-2)  # resampling sees the seam
    assert region.mask.shape == (144, 400)
    assert (region.mask[:, 128:272] == alone.mask).mean() > 0.99
    assert not region.mask[:, :128].any() and not region.mask[:, 272:].any()


def test_the_size_of_the_picture_does_not_move_the_region(finder: PatchSimilarityFinder) -> None:
    scene = SCENES[0]
    phrase = f"{scene.entities[0].colour} {scene.entities[0].kind}"
    small = render(scene)
    large = small.resize((432, 432), Image.Resampling.BICUBIC)
    (one,), (three,) = finder.find([small, large], [[phrase]] * 2)
    assert one.box is not None and three.box is not None
    assert np.abs(np.array(three.box) / 3 - np.array(one.box)).max() <= 3


def test_a_phrase_longer_than_the_text_tower_is_cut(finder: PatchSimilarityFinder) -> None:
    (region,) = finder.find([render(SCENES[0])], [["cup " * 200]])[0]
    assert 0 <= region.score <= 1


def test_with_value_features_the_whole_image_says_what_is_there() -> None:
    finder = PatchSimilarityFinder(Path(__file__).parents[5] / CLIP, patch_features="value")
    images = [render(scene) for scene in SCENES]
    there = finder.find(images, [[f"{entity.colour} {entity.kind}" for entity in scene.entities] for scene in SCENES])
    absent = finder.find(images, [absent_kinds(scene)[:4] for scene in SCENES])
    assert np.mean([region.score >= 0.5 for row in there for region in row]) > 0.7
    assert np.mean([region.score >= 0.5 for row in absent for region in row]) < 0.3


def test_features_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(SettingError, match="patch_features.*output or value"):
        PatchSimilarityFinder(Path(__file__).parents[5] / CLIP, patch_features="keys")
