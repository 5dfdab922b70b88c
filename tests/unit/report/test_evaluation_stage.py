"""report_evaluation: which files there are, whatever is wrong with a picture."""

import shutil
from pathlib import Path

import pytest

from groundtune.benchmarks.slices import BASELINE, MODEL
from groundtune.report import evaluation_stage
from tests.unit.report.runs import FakeRun, build


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return build(tmp_path_factory.mktemp("run") / "a")


def evaluation_of(run: FakeRun, folder: Path) -> Path:
    """As `score_answers` leaves it: a folder for each contestant."""
    assert run.paths.base_answers and run.paths.aligned_answers
    shutil.copytree(run.paths.base_answers, folder / BASELINE)
    shutil.copytree(run.paths.aligned_answers, folder / MODEL)
    return folder


def written(run: FakeRun, folder: Path, images_root: str) -> Path:
    """The folder `tables` of the stage."""
    evaluation_stage.run(
        evaluation_of(run, folder / "evaluation"), images_root, folder / "page", folder / "summary", folder / "tables"
    )
    return folder / "tables"


def test_page_summary_tables_and_sheet_are_written(shared: FakeRun, tmp_path: Path) -> None:
    tables = written(shared, tmp_path, shared.images_root)
    assert (tables / "sheet" / "sheet.html").is_file() and (tables / "sheet" / "key.json").is_file()
    assert {path.name for path in tables.iterdir()} == {"report.html", "summary.md", "tables.tex", "sheet"}


def test_a_picture_that_is_gone_costs_the_sheet_and_not_the_report(
    shared: FakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    tables = written(shared, tmp_path, str(tmp_path / "empty"))
    assert "No picture" in (tables / "report.html").read_text()
    assert not (tables / "sheet" / "sheet.html").exists()
    said = capsys.readouterr().out
    assert "no sheet for people" in said and "eval-" in said, "the picture is named"
