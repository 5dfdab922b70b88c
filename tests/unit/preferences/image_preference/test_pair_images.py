"""From regions to a dispreferred image: what is destroyed, when it is the whole image, and that it can be told."""

import io

import numpy as np
import pytest
from PIL import Image

from groundtune.errors import RecordError
from groundtune.preferences.image_preference.keywords.ranking import Keyword
from groundtune.preferences.image_preference.masks import from_runs
from groundtune.preferences.image_preference.pair_images import image_pair, region_of
from groundtune.preferences.image_preference.regions.finder import Region
from groundtune.settings import ImagePreferenceSettings

PAIR = {"pair_id": "p/0", "prompt_id": "p"}
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8))
SETTINGS = ImagePreferenceSettings(least_score=0.5, largest_region=0.9)


def region(phrase, score, left, right, height=30, width=50):
    mask = np.zeros((height, width), dtype=bool)
    mask[5:20, left:right] = True
    return Region(phrase, mask, score)


def made(regions, settings=SETTINGS, image=IMAGE, pair=PAIR):
    words = [Keyword(r.phrase, 1 / len(regions)) for r in regions]
    row, name, content = image_pair(pair, image, words, regions, settings)
    return row, np.asarray(Image.open(io.BytesIO(content))), name


def test_the_union_of_the_found_regions_is_destroyed_and_nothing_else():
    row, pixels, _ = made([region("cup", 0.9, 0, 10), region("dog", 0.7, 30, 40), region("cat", 0.2, 10, 30)])
    mask = from_runs(row["mask"], 30, 50)
    assert mask[10, 5] and mask[10, 35] and not mask[10, 20]
    before = np.asarray(IMAGE)
    assert np.array_equal(pixels[~mask], before[~mask]) and (pixels[mask] != before[mask]).mean() > 0.9
    assert row["fallback"] == "" and row["area"] == pytest.approx(mask.mean())
    assert [(k["phrase"], k["found"], k["box"]) for k in row["keywords"]] == [
        ("cup", True, [0, 5, 10, 20]), ("dog", True, [30, 5, 40, 20]), ("cat", False, []),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("regions", "reason"),
    [
        ([], "no_keyword"),
        ([region("cup", 0.49, 0, 10)], "not_found"),
        ([region("cup", 0.9, 0, 0)], "empty_mask"),
        ([Region("room", np.ones((30, 50), bool), 0.9)], "whole_image"),
    ],
)
def test_without_a_usable_region_the_whole_image_is_destroyed_and_the_reason_is_kept(regions, reason):
    row, pixels, _ = made(regions)
    assert row["fallback"] == reason and row["area"] == 1.0
    assert (pixels != np.asarray(IMAGE)).mean() > 0.9


def test_the_same_pair_gives_the_same_bytes_and_another_pair_other_noise():
    regions = [region("cup", 0.9, 0, 10)]
    one, again, other = made(regions), made(regions), made(regions, pair={**PAIR, "pair_id": "p/1"})
    assert one[0] == again[0] and one[2] == again[2]
    assert one[0]["corrupted_sha256"] != other[0]["corrupted_sha256"] and one[2] != other[2]


def test_ablations_change_the_place_or_the_way_only():
    regions = [region("cup", 0.9, 0, 10)]
    keyword, _, _ = made(regions)
    random, _, _ = made(regions, ImagePreferenceSettings(region="random"))
    assert random["mask"] != keyword["mask"] and random["area"] == pytest.approx(keyword["area"], abs=0.03)
    whole, _, _ = made(regions, ImagePreferenceSettings(region="whole"))
    assert whole["area"] == 1.0 and whole["fallback"] == "", "asked for, not fallen back to"
    for way in ("blur", "mean"):
        row, pixels, _ = made(regions, ImagePreferenceSettings(corruption=way))
        mask = from_runs(row["mask"], 30, 50)
        assert row["mask"] == keyword["mask"] and np.array_equal(pixels[~mask], np.asarray(IMAGE)[~mask])


def test_an_image_that_does_not_change_is_refused_by_name():
    plain = Image.new("RGB", (50, 30), (9, 9, 9))
    with pytest.raises(RecordError, match=r'id="p": image: does not change by mean'):
        made([region("cup", 0.9, 0, 10)], ImagePreferenceSettings(corruption="mean"), plain)


def test_a_low_score_is_no_region_even_with_a_mask():
    assert region_of([region("cup", 0.3, 0, 9)], 30, 50, SETTINGS).fallback == "not_found"
