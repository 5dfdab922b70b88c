"""Benchmarks are found below a folder by the names under which they are distributed."""

from pathlib import Path

import pytest

from groundtune.benchmarks.discovery import discover, discover_vocabulary
from groundtune.benchmarks.registry import known_names
from groundtune.errors import SettingError

PUBLISHED = (
    "pope/coco_pope_random.json",
    "pope/coco_pope_popular.json",
    "pope/coco_pope_adversarial.json",
    "MME_Benchmark_release_version/existence/000.txt",
    "MME_Benchmark_release_version/OCR/questions_answers_YN/1.txt",
    "AMBER/data/annotations.json",
    "AMBER/data/relation.json",
    "amber_notes.txt",
    "chair/synonyms_refine.txt",
    "chair.jsonl",
)


@pytest.fixture
def root(tmp_path: Path) -> str:
    for name in PUBLISHED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return str(tmp_path)


def test_published_layouts_are_found_by_family(root: str) -> None:
    assert discover(root, ["mme", "amber", "chair"]) == {
        "mme": "MME_Benchmark_release_version",
        "amber": "AMBER/data",
        "chair": "chair.jsonl",
    }
    assert discover(root, ["pope"]) == {
        f"pope_{split}": f"pope/coco_pope_{split}.json" for split in ("adversarial", "popular", "random")
    }
    assert discover_vocabulary(root) == "chair/synonyms_refine.txt"


def test_one_split_may_be_asked_for(root: str) -> None:
    assert discover(root, ["pope_popular"]) == {"pope_popular": "pope/coco_pope_popular.json"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("pop", "'pop': expected names out of .*pope, pope_<split>"), ("pope_gqa", "files of pope_gqa below")],
)
def test_what_is_not_there_and_what_is_no_benchmark_are_told_apart(root: str, wanted: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        discover(root, [wanted])


def test_an_empty_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="benchmarks_root"):
        discover(str(tmp_path / "nowhere"), ["pope"])


@pytest.mark.parametrize("wanted", ["pope", "pope_random"])
def test_two_files_of_one_name_are_an_error_that_names_both(root: str, wanted: str) -> None:
    (Path(root) / "pope/gqa_pope_random.json").write_text("x")
    with pytest.raises(SettingError, match=r"one place of pope_random .*coco_pope_random\.json and .*gqa_pope_random"):
        discover(root, [wanted])
    assert discover(root, ["pope_popular"]) == {"pope_popular": "pope/coco_pope_popular.json"}


def test_two_folders_of_one_name_are_an_error_but_a_folder_within_is_none(root: str) -> None:
    (Path(root) / "MME_Benchmark_release_version/MME_copy").mkdir()
    (Path(root) / "MME_Benchmark_release_version/MME_copy/1.txt").write_text("x")
    assert len(discover(root, ["mme"])) == 1
    (Path(root) / "amber_2").mkdir()
    (Path(root) / "amber_2/annotations.json").write_text("x")
    with pytest.raises(SettingError, match="AMBER/data and amber_2"):
        discover(root, ["amber"])


def test_every_name_of_the_registry_can_be_asked_for(root: str) -> None:
    (Path(root) / "llava-bench-in-the-wild").mkdir()
    (Path(root) / "llava-bench-in-the-wild/questions.jsonl").write_text("x")
    wanted = ["amber_generative", "amber_discriminative", "llava_bench_model_first", "llava_bench_reference_first"]
    assert set(wanted) <= set(known_names())
    assert list(discover(root, wanted).values()) == ["AMBER/data"] * 2 + ["llava-bench-in-the-wild"] * 2
    with pytest.raises(SettingError, match="'amber_oops': expected names out of .*amber_generative"):
        discover(root, ["amber_oops"])
