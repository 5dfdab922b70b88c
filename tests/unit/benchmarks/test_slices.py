"""An evaluation in slices: nothing twice, nothing lost, and the same figures as in one piece."""

import shutil
from pathlib import Path

import pytest

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks import joining
from groundtune.benchmarks.comparison import compare
from groundtune.benchmarks.evaluation import run, run_slice
from groundtune.benchmarks.question import Question
from groundtune.benchmarks.question_set import load_questions
from groundtune.benchmarks.slices import questions_in, slices_of
from groundtune.errors import ArtifactError, SettingError
from groundtune.settings import EvaluationSettings
from tests.tiny_checkpoints import tiny_llava
from tests.unit.benchmarks.worlds import SETTINGS, write_world

CUT = {**SETTINGS, "questions_per_slice": 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_llava(tmp_path_factory.mktemp("model") / "llava"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world") / "world")


@pytest.fixture(scope="module")
def slices(model: str, root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Artifact]:
    settings = EvaluationSettings.from_mapping(CUT)
    names = slices_of(load_questions(str(root), settings).questions, settings.questions_per_slice)
    out = tmp_path_factory.mktemp("slices")
    return [run_slice(str(root), model, out / str(place), settings, name) for place, name in enumerate(names)]


def test_slices_hold_every_question_once_and_all_of_an_image_together() -> None:
    questions = [Question("pope", str(i), f"{i // 3}.png", "?", "yes", "yes_no") for i in range(31)]
    questions += [Question("chair", str(i), f"{i}.png", "?", [], "caption") for i in range(4)]
    names = slices_of(questions, 8)
    assert names == [*(f"pope {i}/5" for i in range(5)), "chair 0/1"]
    parts = [questions_in(questions, name, 8) for name in names]
    assert [question for part in parts for question in part] == questions
    assert all(0 < len(part) <= 8 for part in parts)
    images = [image for part in parts[:5] for image in {question.image for question in part}]
    assert len(images) == len(set(images))
    assert questions_in(questions, "", 8) == questions
    many = [Question("pope", str(i), "0.png" if i < 90 else f"{i}.png", "?", "yes", "yes_no") for i in range(100)]
    assert [len(questions_in(many, name, 10)) for name in slices_of(many, 10)] == [90, 10], "no slice without questions"
    with pytest.raises(SettingError, match="one of 5 slices"):
        questions_in(questions, "pope 0/4", 8)


@pytest.mark.parametrize("name", ["pope", "0/2", "pope 2/2", "pope 1"])
def test_a_wrong_name_of_a_slice_is_refused(name: str) -> None:
    with pytest.raises(SettingError):
        questions_in([Question("pope", "1", "a.png", "?", "yes", "yes_no")], name, 4096)


def test_joined_slices_are_the_evaluation_in_one_piece(
    tmp_path: Path, model: str, root: Path, slices: list[Artifact]
) -> None:
    whole = run(str(root), model, tmp_path / "whole", CUT)
    assert len(slices) > 4
    assert all("benchmarks" not in part.results for part in slices)
    joined = joining.run([part.path for part in reversed(slices)], tmp_path / "joined")
    assert list(joined.rows()) == list(whole.rows())
    assert joined.digest == whole.digest
    for name in ("benchmarks", "means", "identity"):
        assert joined.results[name] == whole.results[name]
    assert all(row["difference"]["value"] == 0 for row in compare(whole, joined)["rows"])


def test_a_missing_a_doubled_and_a_foreign_slice_are_named(
    tmp_path: Path, model: str, root: Path, slices: list[Artifact]
) -> None:
    paths = {part.manifest["extra"]["slice"]: part.path for part in slices}
    rest = [path for name, path in paths.items() if name != "pope_random 0/4"]
    with pytest.raises(ArtifactError, match="pope_random 0/4"):
        joining.run(rest, tmp_path / "out")
    with pytest.raises(ArtifactError, match="came twice"):
        joining.run([*paths.values(), rest[0]], tmp_path / "out")
    other = run_slice(str(root), model, tmp_path / "other", {**CUT, "max_yes_no_tokens": 2}, "pope_random 0/4")
    with pytest.raises(ArtifactError, match="their settings differ"):
        joining.run([*rest, other.path], tmp_path / "out")


def test_p_yes_is_reported_as_what_it_is(tmp_path: Path, model: str, root: Path) -> None:
    both = run(str(root), model, tmp_path / "both", {**CUT, "yes_no_answers": "both"})
    alone = run(str(root), model, tmp_path / "alone", {**CUT, "yes_no_answers": "p_yes", "questions_per_batch": 1})
    plain = run(str(root), model, tmp_path / "plain", CUT)
    pope = both.results["benchmarks"]["pope_random"]
    assert pope["reading"] == "official"
    assert pope["metrics"] == plain.results["benchmarks"]["pope_random"]["metrics"]
    only = alone.results["benchmarks"]["pope_random"]
    assert only["reading"] == "p_yes"
    assert "strict" not in only
    assert only["metrics"] == pope["p_yes"]
    assert alone.results["identity"]["protocol"]["decoding"]["yes_no"].startswith("P(yes | yes or no)")
    asked = [row for row in alone.rows() if row["kind"] == "yes_no"]
    beside = {(row["benchmark"], row["question_id"]): row for row in both.rows()}
    for row in asked:
        assert row["answer"] == ""
        assert row["p_yes"] == pytest.approx(beside[row["benchmark"], row["question_id"]]["p_yes"], abs=1e-5)
        assert row["parsed"] == ("yes" if row["p_yes"] > 0.5 else "no")
    assert all(row["p_yes"] is None for row in alone.rows() if row["kind"] == "caption")
    with pytest.raises(ArtifactError, match="decoding"):
        compare(plain, alone)


def test_an_unfinished_join_is_not_gone_on_with_when_slices_were_answered_again(
    tmp_path: Path, model: str, root: Path, slices: list[Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDTUNE_STATE", str(tmp_path / "state"))
    paths = {part.manifest["extra"]["slice"]: part.path for part in slices}

    def stop(made: Artifact, settings: EvaluationSettings) -> dict[str, object]:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(joining, "results_of_artifact", stop)
        with pytest.raises(RuntimeError, match="killed"):
            joining.run(paths.values(), tmp_path / "first")
    answers = [row["answer"] for part in slices for row in part.rows()]
    assert list((tmp_path / "state").rglob("part-*.parquet"))
    again = tmp_path / "again"
    shutil.copytree(paths["chair 0/1"], again)
    rows = [{**row, "answer": "Nothing."} for row in read_artifact(again, "answers").rows()]
    _rewrite(again, rows)
    joined = joining.run([again, *(path for name, path in paths.items() if name != "chair 0/1")], tmp_path / "second")
    said = [row["answer"] for row in joined.rows()]
    assert said[:4] == ["Nothing."] * 4 and said[4:] == answers[4:]


def _rewrite(folder: Path, rows: list[dict[str, object]]) -> None:
    """The artifact with other rows, as the same stage would have written them."""
    old = read_artifact(folder, "answers")
    shutil.rmtree(folder)
    writer = ArtifactWriter(folder, "answers", old.settings, old.manifest["parents"], extra=old.manifest["extra"])
    writer.write_part(0, rows)
    writer.finish(len(rows), results=lambda made: old.results)


def test_a_broken_image_in_one_slice_counts_against_its_benchmark_not_against_the_slice(
    tmp_path: Path, model: str
) -> None:
    root = write_world(tmp_path / "world", images=6)
    (root / "images" / "1.png").unlink()
    cut = {**CUT, "questions_per_slice": 3, "allow_missing": True, "max_rejected_share": 0.2}
    names = slices_of(load_questions(str(root), EvaluationSettings.from_mapping(cut)).questions, 3)
    parts = [run_slice(str(root), model, tmp_path / str(at), cut, name) for at, name in enumerate(names)]
    joined = joining.run([part.path for part in parts], tmp_path / "joined")
    assert joined.results["benchmarks"]["pope_random"]["excluded"] == 3
    assert (len(joined), joined.manifest["rejected"]) == (35, 7)
