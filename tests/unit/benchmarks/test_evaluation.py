"""The stage on a real (tiny) LLaVA checkpoint: answers, resuming, bad input and identity."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from groundtune import storage
from groundtune.artifacts import read_artifact
from groundtune.benchmarks.answering import batches, instruction_of
from groundtune.benchmarks.evaluation import run
from groundtune.benchmarks.question import Question
from groundtune.errors import CheckpointError, RecordError, SettingError, TooManyRejected
from groundtune.settings import EvaluationSettings
from groundtune.vlm.families import FAMILIES
from tests.tiny_checkpoints import tiny_adapter, tiny_llava
from tests.unit.benchmarks.worlds import SETTINGS, write_world


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_llava(tmp_path_factory.mktemp("model") / "llava"))


@pytest.fixture(scope="module")
def adapter(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_adapter(tmp_path_factory.mktemp("adapter") / "lora", model))


def settings(**changes: object) -> EvaluationSettings:
    return EvaluationSettings.from_mapping({**SETTINGS, **changes})


def test_an_evaluation_reports_every_benchmark_with_intervals_and_identity(tmp_path: Path, model: str) -> None:
    root = write_world(tmp_path / "world")
    artifact = run(str(root), model, tmp_path / "out", settings())
    assert read_artifact(tmp_path / "out", "answers").digest == artifact.digest
    assert (len(artifact), artifact.manifest["rejected"]) == (28, 0)
    results = artifact.results
    assert set(results["benchmarks"]) == {"pope_random", "pope_popular", "chair"}
    pope = results["benchmarks"]["pope_random"]
    assert (pope["questions"], pope["images"]) == (12, 4)
    for figures in (pope["metrics"], pope["strict"], results["benchmarks"]["chair"]["metrics"]):
        for figure in figures.values():
            assert figure["low"] <= figure["value"] <= figure["high"]
    rows = [row for row in artifact.rows() if row["benchmark"] == "pope_random"]
    assert pope["metrics"]["accuracy"]["value"] == sum(row["correct"] for row in rows) / 12
    assert {row["image"] for row in artifact.rows()} == {f"images/{i}.png" for i in range(4)}
    both = [results["benchmarks"][name]["metrics"]["f1"]["value"] for name in ("pope_random", "pope_popular")]
    assert results["means"]["pope"]["metrics"]["f1"]["value"] == pytest.approx(sum(both) / 2)
    identity = results["identity"]
    assert identity["prompt_template"] == "USER: <image>\n{question} ASSISTANT:"
    assert identity["adapter"] == ""
    assert identity["protocol"]["decoding"]["yes_no"] == "greedy, at most 4 tokens"
    assert set(identity["protocol"]["inputs"]) == {
        "vocabulary", "benchmark pope_random", "benchmark pope_popular", "benchmark chair",
    }  # fmt: skip


def test_batch_and_part_size_change_no_answer(tmp_path: Path, model: str) -> None:
    root = write_world(tmp_path / "world")
    one = run(str(root), model, tmp_path / "one", settings(questions_per_batch=1, questions_per_part=100))
    many = run(str(root), model, tmp_path / "many", settings(questions_per_batch=32, questions_per_part=9))
    assert list(one.rows()) == list(many.rows())
    assert len({row["answer"] for row in one.rows()}) > 3  # the model does answer differently


def test_a_second_evaluation_takes_the_image_features_of_the_first(
    tmp_path: Path, model: str, adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter leaves the tower as it is. One image more than there are: the picture that sharing is tried on."""
    encoded: list[int] = []
    plain = FAMILIES["llava"]

    def counted(loaded: Any, inputs: dict[str, Any]) -> Any:
        encoded.append(1)
        return plain.image_features(loaded, inputs)

    monkeypatch.setitem(FAMILIES, "llava", replace(plain, image_features=counted))
    root = write_world(tmp_path / "world")
    runs = [("without", "", 0), ("filling", "", 64), ("filled", "", 64), ("tuned", adapter, 64), ("bare", adapter, 0)]
    rows, counts = {}, {}
    for name, tuned, size in runs:
        encoded.clear()
        made = run(str(root), model, tmp_path / name, settings(feature_cache=size), adapter=tuned)
        rows[name], counts[name] = list(made.rows()), len(encoded)
    assert rows["without"] == rows["filling"] == rows["filled"] != rows["tuned"] == rows["bare"]
    assert (counts["filling"], counts["filled"], counts["tuned"]) == (4 + 1, 0, 0)
    assert counts["without"] == counts["bare"] > 5


def test_an_adapter_changes_answers_and_identity(tmp_path: Path, model: str, adapter: str) -> None:
    root = write_world(tmp_path / "world")
    base = run(str(root), model, tmp_path / "base", settings())
    tuned = run(str(root), model, tmp_path / "tuned", settings(), adapter=adapter)
    assert [row["answer"] for row in base.rows()] != [row["answer"] for row in tuned.rows()]
    assert tuned.results["identity"]["adapter"] == tuned.manifest["parents"]["adapter"] != ""
    assert base.digest != tuned.digest


def test_a_killed_evaluation_resumes_to_the_same_digest(tmp_path: Path, model: str) -> None:
    root = write_world(tmp_path / "world", images=6)
    chosen = {"questions_per_part": 1, "max_yes_no_tokens": 6}
    whole = run(str(root), model, tmp_path / "whole", settings(**chosen))
    state = tmp_path / "state"
    program = (
        "import json, sys; from groundtune.benchmarks.evaluation import run; "
        "run(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))"
    )
    given = json.dumps({**SETTINGS, **chosen})
    command = [sys.executable, "-c", program, str(root), model, str(tmp_path / "out"), given]
    here = {**os.environ, "OMP_NUM_THREADS": "1", "GROUNDTUNE_STATE": str(state)}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=here)
    patience = time.monotonic() + 120
    while child.poll() is None and len(list(state.rglob("part-*.parquet"))) < 4 and time.monotonic() < patience:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = {part.name: part.stat().st_mtime_ns for part in state.rglob("part-*.parquet")}
    assert 4 <= len(done) < 42
    assert not (tmp_path / "out" / "manifest.json").exists()

    rewritten: list[str] = []
    publish = storage.publish_file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "publish_file", lambda file, uri: (rewritten.append(Path(uri).name), publish(file, uri)))
        patch.setenv("GROUNDTUNE_STATE", str(state))
        resumed = run(str(root), model, tmp_path / "out", settings(**chosen))
    assert not done.keys() & set(rewritten)  # finished parts were not answered again
    assert resumed.digest == whole.digest
    assert resumed.results["benchmarks"] == whole.results["benchmarks"]
    assert not list(state.rglob("part-*.parquet"))


def test_a_missing_image_is_rejected_and_the_rest_is_scored(tmp_path: Path, model: str) -> None:
    root = write_world(tmp_path / "world")
    (root / "images" / "1.png").unlink()
    (root / "images" / "2.png").write_bytes(b"not an image")
    artifact = run(str(root), model, tmp_path / "out", settings(max_rejected_share=0.5, allow_missing=True))
    assert (len(artifact), artifact.manifest["rejected"]) == (14, 14)
    assert artifact.manifest["rejected_reasons"] == {"image": 14}
    details = {row["id"]: row["detail"] for row in artifact.rejected()}
    assert "does not exist" in details["pope_random/3"]
    assert "not a readable image" in details["chair/c2"]
    assert artifact.results["benchmarks"]["chair"]["images"] == 2
    assert artifact.results["benchmarks"]["chair"]["excluded"] == 2


def test_too_many_missing_images_stop_before_the_model_is_loaded(tmp_path: Path) -> None:
    root = write_world(tmp_path / "world")
    (root / "images" / "1.png").unlink()
    with pytest.raises(TooManyRejected, match=r"(chair|pope_random): \d+ of \d+ .*allow_missing(.|\n)*1.png"):
        run(str(root), "/no/such/model", tmp_path / "out", settings())
    with pytest.raises(TooManyRejected, match=r"(chair|pope_random): \d+ of \d+ .*max_rejected_share(.|\n)*1.png"):
        run(str(root), "/no/such/model", tmp_path / "out", settings(allow_missing=True))


def test_an_image_outside_the_root_is_refused(tmp_path: Path) -> None:
    root = write_world(tmp_path / "world")
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    line = {"question_id": 1, "image": "../secret.png", "text": "Is there a dog?", "label": "no"}
    (root / "pope.jsonl").write_text(json.dumps(line))
    with pytest.raises(TooManyRejected, match="leaves the data root"):
        run(str(root), "/no/such/model", tmp_path / "out", settings())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"benchmarks": {}}, SettingError, "at least one benchmark"),
        ({"benchmarks": {"mmme": "x.txt"}}, SettingError, "one of pope, pope_<split>, chair"),
        ({"vocabulary": ""}, SettingError, "setting 'vocabulary'"),
        ({"benchmarks": {"pope": "chair.jsonl"}}, RecordError, "chair.jsonl:1 .*question_id"),
    ],
)
def test_a_wrong_setting_fails_before_the_model_is_loaded(
    tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    root = write_world(tmp_path / "world")
    with pytest.raises(error, match=message):
        run(str(root), "/no/such/model", tmp_path / "out", settings(**changes))


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    root = write_world(tmp_path / "world")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        run(str(root), str(tmp_path / "empty"), tmp_path / "out", settings())


def test_a_question_that_the_prompt_cannot_hold_is_rejected_by_its_id(tmp_path: Path, model: str) -> None:
    root = write_world(tmp_path / "world")
    line = {"id": "trap", "image": "images/0.png", "instruction": "What is <image>?", "objects": []}
    with (root / "chair.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    artifact = run(str(root), model, tmp_path / "out", settings())
    assert [row["id"] for row in artifact.rejected()] == ["chair/trap"]
    assert len(artifact) == 28


def test_limit_asks_the_first_questions_of_each_benchmark(tmp_path: Path, model: str) -> None:
    root = write_world(tmp_path / "world")
    artifact = run(str(root), model, tmp_path / "out", settings(limit=2))
    assert [row["question_id"] for row in artifact.rows()] == ["c0", "c1", "0", "1", "0", "1"]


def test_the_suffix_is_asked_recorded_and_kept_out_of_captions(tmp_path: Path, model: str) -> None:
    line = "Answer the question using a single word or phrase."
    asked = settings(yes_no_suffix=line)
    question = Question("pope", "1", "a.png", "Is there a dog in the image?", "yes", "yes_no")
    assert instruction_of(question, asked) == f"Is there a dog in the image?\n{line}"
    assert instruction_of(question, settings()) == "Is there a dog in the image?"
    assert instruction_of(Question("chair", "1", "a.png", "Describe.", [], "caption"), asked) == "Describe."
    root = write_world(tmp_path / "world")
    plain = run(str(root), model, tmp_path / "plain", settings())
    suffixed = run(str(root), model, tmp_path / "suffixed", asked)
    assert suffixed.results["identity"]["protocol"]["yes_no_suffix"] == line
    assert [row["question"] for row in plain.rows()] == [row["question"] for row in suffixed.rows()]
    assert [row["answer"] for row in plain.rows()] != [row["answer"] for row in suffixed.rows()]


def test_batches_hold_one_kind_and_keep_the_questions_of_an_image_together() -> None:
    questions = [Question("pope", f"{i}", f"{i % 3}.png", "x" * (i + 1), "yes", "yes_no") for i in range(9)]
    questions += [Question("chair", "c", "0.png", "Describe.", [], "caption")]
    found = list(batches(questions, 4))
    assert [len(batch) for batch in found] == [1, 4, 4, 1]
    assert [len({question.kind for question in batch}) for batch in found] == [1, 1, 1, 1]
    order = [question.image for batch in found[1:] for question in batch]
    assert order == sorted(order)
    assert sorted(q.record_id for batch in found for q in batch) == sorted(q.record_id for q in questions)


def test_questions_images_model_and_state_may_lie_in_s3(
    tmp_path: Path, model: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_world(tmp_path / "world")
    storage.publish_folder(root, f"{bucket}/benchmarks")
    storage.publish_folder(Path(model), f"{bucket}/model")
    here = run(str(root), model, tmp_path / "here", settings())
    monkeypatch.setenv("GROUNDTUNE_STATE", f"{bucket}/state")
    there = run(f"{bucket}/benchmarks", f"{bucket}/model", tmp_path / "there", settings())
    assert there.digest == here.digest
    assert storage.list_files(f"{bucket}/state") == []
