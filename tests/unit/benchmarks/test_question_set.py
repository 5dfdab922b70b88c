"""Questions find their images, and settings lead nowhere outside the root."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.benchmarks.question import Question
from groundtune.benchmarks.question_images import resolve_images
from groundtune.benchmarks.question_set import load_questions
from groundtune.errors import SettingError
from groundtune.settings import EvaluationSettings
from tests.unit.benchmarks.worlds import write_world


def asking(*images: str) -> list[Question]:
    return [Question("pope", str(i), image, "?", "no", "yes_no") for i, image in enumerate(images)]


@pytest.mark.parametrize(
    "place", ["../pope.jsonl", "below/../../pope.jsonl", "/etc/pope.jsonl", "s3://other/pope.jsonl"]
)
@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("benchmarks.pope", lambda place: {"benchmarks": {"pope": place}}),
        ("image_folders.pope", lambda place: {"image_folders": {"pope": place}}),
        ("vocabulary", lambda place: {"vocabulary": place}),
    ],
)
def test_a_place_outside_the_root_is_refused_by_the_name_of_its_setting(
    tmp_path: Path, place: str, setting: str, values: Any
) -> None:
    root = write_world(tmp_path / "root")
    (tmp_path / "pope.jsonl").write_text((root / "pope.jsonl").read_text())
    settings = EvaluationSettings(**({"benchmarks": {"pope": "pope.jsonl"}} | values(place)))
    with pytest.raises(SettingError, match=f"setting '{setting}' is '{place}': expected a place below"):
        load_questions(str(root), settings)


@pytest.mark.parametrize("folder", ["pope", "pope/images", ".", "images"])
def test_images_are_found_beside_a_single_file_of_questions(tmp_path: Path, folder: str) -> None:
    for name in ("pope", folder):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    line = {"question_id": 1, "image": "x.jpg", "text": "?", "label": "no"}
    (tmp_path / "pope/coco_pope_random.json").write_text(json.dumps(line))
    (tmp_path / folder / "x.jpg").write_bytes(b"x")
    settings = EvaluationSettings(benchmarks={"pope_random": "pope/coco_pope_random.json"})
    (question,) = load_questions(str(tmp_path), settings).questions
    assert question.image == str(Path(folder) / "x.jpg")


def test_a_name_that_no_file_system_takes_is_an_image_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/x.jpg").write_bytes(b"x")
    long = "a" * 5_000 + ".jpg"
    assert [question.image for question in resolve_images(str(tmp_path), asking(long, "x.jpg"))] == [
        long,
        "images/x.jpg",
    ]


def test_a_listing_that_was_made_before_is_asked_and_not_the_store() -> None:
    names = frozenset({"coco/images/x.jpg"})  # an unreachable bucket: a second listing would fail
    (question,) = resolve_images("s3://no-such-bucket", asking("x.jpg"), ["coco"], names)
    assert question.image == "coco/images/x.jpg"
