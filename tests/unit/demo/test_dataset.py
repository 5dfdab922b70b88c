"""The written files: formats, balance, and the same bytes for the same seed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from groundtune.demo.__main__ import main
from groundtune.demo.dataset import POPE_SETTINGS, write_demo
from groundtune.demo.language import mentions


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    write_demo(out, prompts=12, evaluation=15, seed=4)
    return out


def test_the_same_seed_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    main(["write", "--out", str(tmp_path), "--prompts", "12", "--eval", "15", "--seed", "4"])
    assert _digests(tmp_path) == _digests(written)


def test_another_seed_writes_other_pictures(written: Path, tmp_path: Path) -> None:
    write_demo(tmp_path, prompts=1, evaluation=1, seed=5)
    assert (tmp_path / "images/demo-000001.png").read_bytes() != (written / "images/demo-000001.png").read_bytes()


def test_prompts_name_pictures_that_open(written: Path) -> None:
    rows = _lines(written / "prompts.jsonl")
    assert len(rows) == len({row["id"] for row in rows}) == 12
    for row in rows:
        assert set(row) == {"id", "image", "instruction"} and row["instruction"]
        with Image.open(written / row["image"]) as picture:
            assert picture.mode == "RGB"


def test_prompts_do_not_carry_the_truth(written: Path) -> None:
    assert not mentions((written / "prompts.jsonl").read_text(encoding="utf-8"))


@pytest.mark.parametrize("split", ["eval", "validation"])
@pytest.mark.parametrize("setting", POPE_SETTINGS)
def test_pope_lines_are_official_balanced_and_true(written: Path, split: str, setting: str) -> None:
    truth = {Path(row["image"]).name: row["objects"] for row in _lines(written / split / "chair.jsonl")}
    rows = _lines(written / split / f"pope_{setting}.jsonl")
    assert [row["question_id"] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row["label"] == "yes" for row in rows) * 2 == len(rows) > 0
    for row in rows:
        assert set(row) == {"question_id", "image", "text", "label"}
        assert (written / split / "images" / row["image"]).is_file()
        (mention,) = mentions(row["text"])
        assert (mention.kind in truth[row["image"]]) == (row["label"] == "yes")
        assert row["text"].startswith("Is there a") and row["text"].endswith(" in the image?")


@pytest.mark.parametrize("split", ["eval", "validation"])
def test_chair_rows_use_the_vocabulary(written: Path, split: str) -> None:
    vocabulary = json.loads((written / split / "vocabulary.json").read_text(encoding="utf-8"))
    assert vocabulary["cup"] == ["cup", "cups"] and vocabulary["fish"] == ["fish"]
    rows = _lines(written / split / "chair.jsonl")
    assert len(rows) == 15
    for row in rows:
        assert set(row) == {"id", "image", "instruction", "objects"}
        assert (written / split / row["image"]).is_file()
        assert set(row["objects"]) <= set(vocabulary)


def test_no_picture_is_in_two_splits(written: Path) -> None:
    pictures = [digest for path, digest in _digests(written).items() if path.endswith(".png")]
    assert len(pictures) == len(set(pictures)) == 12 + 15 + 15


def test_a_count_of_zero_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["write", "--out", str(tmp_path), "--prompts", "0"])
    assert "at least 1" in capsys.readouterr().err
