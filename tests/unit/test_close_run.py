"""The exit handler: what is known of a run whose report was never made, and what is left of it."""

from pathlib import Path

import pytest

from groundtune import close_run, storage, tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.errors import SettingError
from groundtune.tracking import ledger

RUN = "run-1"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GROUNDTUNE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", RUN)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "state"


def close(tmp_path: Path, state: str, error: str | None = None) -> tuple[str, str]:
    close_run.run(state, error, tmp_path / "out" / "run.html", tmp_path / "out" / "run.md", "kitchen")
    return (tmp_path / "out" / "run.html").read_text(), (tmp_path / "out" / "run.md").read_text()


def half_an_artifact(out: Path) -> ArtifactWriter:
    writer = ArtifactWriter(out, "prompts", {}, {})
    writer.write_part(0, [])
    return writer


def a_stage(name: str = "sample_candidates", shard: tuple[int, int] = (0, 1), fails: str = "") -> None:
    with tracking.stage(name, settings={}, shard=shard) as log:
        log.metrics({"candidates": 40, "share": 0.5})
        log.metrics({"loss": 3.0}, step=1)
        if fails:
            raise SettingError("mu", fails, "at most 1")


def test_a_failed_run_gets_a_page_with_the_stage_its_error_and_what_was_done(tmp_path: Path) -> None:
    a_stage(shard=(0, 2))
    a_stage(shard=(1, 2))
    with pytest.raises(SettingError):
        a_stage("select_pairs", fails="<7>")
    page, summary = close(tmp_path, "FAILED", "Task run failed.")
    assert "setting &#39;mu&#39; is &#39;&lt;7&gt;&#39;: expected at most 1" in page, "the stage's own words, escaped"
    assert "2 of 2" in page and "candidates 80" in page, "counts add up over shards"
    assert "share 1" not in page and "loss" not in page, "shares and curves do not"
    assert "failed after 1 stage: select_pairs: SettingError" in summary


def test_a_run_that_failed_keeps_its_half_done_work_and_the_page_says_where(tmp_path: Path, state: Path) -> None:
    half_an_artifact(tmp_path / "prompts")
    page, _ = close(tmp_path, "FAILED")
    (name,) = ledger.unfinished(RUN)
    assert name in page and str(state) in page
    assert storage.list_files(str(state / name)), "a retry goes on from it"


def test_a_run_that_succeeded_leaves_nothing_behind(tmp_path: Path, state: Path) -> None:
    a_stage()
    half_an_artifact(tmp_path / "left")
    half_an_artifact(tmp_path / "whole").finish(0)
    page, _ = close(tmp_path, "SUCCEEDED")
    assert "kitchen finished" in page and "How to go on" not in page
    assert storage.list_files(str(state)) == []


def test_what_another_run_works_on_too_is_not_taken_from_it(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_an_artifact(tmp_path / "mine")
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", "run-2")
    half_an_artifact(tmp_path / "same-work-elsewhere")
    monkeypatch.setenv("GROUNDTUNE_RUN_ID", RUN)
    close(tmp_path, "SUCCEEDED")
    (name,) = ledger.unfinished("run-2")
    assert storage.list_files(str(state / name)) and ledger.unfinished(RUN) == []


def test_the_parts_of_a_whole_artifact_stay_until_the_run_ends(tmp_path: Path, state: Path) -> None:
    """A task's output is stored after the task returned; a node lost before that would take the work with it."""
    half_an_artifact(tmp_path / "prompts").finish(0)
    assert ledger.unfinished(RUN) == [], "not half done"
    again = ArtifactWriter(tmp_path / "on-another-node", "prompts", {}, {})
    assert again.has_part(0)
    again.finish(0)
    close(tmp_path, "SUCCEEDED")
    assert storage.list_files(str(state)) == []


def test_outside_of_a_pipeline_run_the_parts_go_when_the_artifact_is_whole(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROUNDTUNE_RUN_ID")
    half_an_artifact(tmp_path / "prompts").finish(0)
    assert storage.list_files(str(state)) == []


@pytest.mark.parametrize(
    ("word", "said"),
    [("COMPLETE", "finished"), ("CACHED", "finished"), ("CANCELED", "was stopped"), ("FAILED", "failed")],
)
def test_the_backend_s_words_for_an_end_are_known(tmp_path: Path, word: str, said: str) -> None:
    assert f"kitchen {said}" in close(tmp_path, word)[0]


def test_by_a_word_that_tells_nothing_the_stages_decide_and_scratch_is_kept(tmp_path: Path) -> None:
    half_an_artifact(tmp_path / "prompts")
    a_stage()
    page, _ = close(tmp_path, "RUNNING")
    assert "kitchen finished" in page and "scratch is kept" in page and ledger.unfinished(RUN)
    with pytest.raises(SettingError):
        a_stage("select_pairs", fails="7")
    assert "kitchen failed" in close(tmp_path, "RUNNING")[0]


def test_a_stage_that_is_done_again_counts_once_with_its_last_end(tmp_path: Path) -> None:
    with pytest.raises(SettingError):
        a_stage(fails="7")
    a_stage()
    (note,) = ledger.stages(RUN)
    assert note.status == "FINISHED" and note.error == "" and note.figures == {"candidates": 40, "share": 0.5}


def test_a_task_of_several_stages_has_one_note_of_its_own_name() -> None:
    with ledger.noted("train_method m3po 0", fixed=True):
        a_stage("select_pairs")
        assert ledger.task() == "train_method m3po 0"
        a_stage("train_dpo", shard=(1, 2))
    (note,) = ledger.stages(RUN)
    assert (note.stage, note.shard, note.status) == ("train_method m3po 0", (0, 1), "FINISHED")
    with ledger.noted("select_pairs"):
        assert ledger.task() == ""


def test_a_stage_that_is_stopped_counts_as_stopped(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), tracking.stage("train_dpo", settings={}):
        raise SystemExit(143)
    page, _ = close(tmp_path, "CANCELLED")
    assert ledger.stages(RUN)[0].status == "KILLED" and "kitchen was stopped" in page


def test_without_any_note_the_page_says_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROUNDTUNE_STATE")
    a_stage()
    page, summary = close(tmp_path, "FAILED", "Task run failed.")
    assert "GROUNDTUNE_STATE" in page and "Task run failed." in summary


def test_a_store_that_is_away_costs_the_notes_and_neither_stage_nor_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("not a folder")
    a_stage()
    assert "notes of this run are behind" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    page, _ = close(tmp_path, "FAILED", "boom")
    assert "the final status is not in MLflow" in page


def test_no_secret_reaches_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-0f-th1s-run")
    with pytest.raises(SettingError):
        a_stage(fails="s3cr3t-0f-th1s-run")
    page, summary = close(tmp_path, "FAILED", "s3cr3t-0f-th1s-run")
    assert "s3cr3t" not in page + summary


def test_a_worker_that_is_not_the_first_writes_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    a_stage()
    assert ledger.stages(RUN) == []


def test_what_fails_before_a_stage_knows_its_shard_is_told_and_forgotten_once_it_works(tmp_path: Path) -> None:
    fails = True

    @ledger.noted("sample_candidates")
    def run() -> None:
        if fails:
            raise SettingError("model", "llava", "a checkpoint folder")
        a_stage(shard=(1, 2))

    with pytest.raises(SettingError):
        run()
    assert "expected a checkpoint folder" in close(tmp_path, "FAILED")[1]
    fails = False
    run()
    (note,) = ledger.stages(RUN)
    assert (note.status, note.shard) == ("FINISHED", (1, 2)) and note.figures["candidates"] == 40
