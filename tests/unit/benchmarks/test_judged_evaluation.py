"""An evaluation with judged benchmarks: a tiny LLaVA answers, a judge over HTTP rates, or is missing."""

from pathlib import Path

import pytest

from groundtune.artifacts import read_artifact
from groundtune.benchmarks import evaluation, joining
from groundtune.benchmarks.question_set import load_questions
from groundtune.benchmarks.slices import slices_of
from groundtune.settings import EvaluationSettings
from tests.scripted_judge import Say, scripted_judge
from tests.tiny_checkpoints import tiny_llava
from tests.unit.benchmarks.judge.requests import settings_of
from tests.unit.benchmarks.judged_worlds import write_llava_bench, write_mmhal

SETTINGS = {
    "benchmarks": {"mmhal": "mmhal", "llava_bench": "llava"},
    "max_new_tokens": 6,
    "bootstrap_resamples": 50,
    "questions_per_part": 4,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    root = tmp_path_factory.mktemp("questions")
    write_mmhal(root / "mmhal", 10)
    write_llava_bench(root / "llava")
    return str(root), str(tiny_llava(tmp_path_factory.mktemp("model")))


def script(asked, before):
    if "Grade each answer" in asked.text:
        return Say("8 6\nBecause.")
    number = next(at for at in range(10) if f"table {at}?" in asked.text)
    return Say(f"So it is. Rating: {number % 7}" if number != 9 else "Hard to say.", fingerprint="fp_7")


def test_an_evaluation_is_judged_scored_and_says_by_whom(world: tuple[str, str], tmp_path: Path) -> None:
    root, model = world
    with scripted_judge(script) as server:
        judge = settings_of(server, tmp_path / "cache", malformed_attempts=1)
        made = evaluation.run(root, model, tmp_path / "out", SETTINGS, judge=judge)
        asked = len(server.asked)
        # The same evaluation in slices, judged once they have come together: replies come out of the cache.
        questions = load_questions(root, EvaluationSettings(**SETTINGS)).questions
        names = slices_of(questions, 5)
        for at, name in enumerate(names):
            cut = SETTINGS | {"questions_per_slice": 5}
            evaluation.run_slice(root, model, tmp_path / f"slice-{at}", cut, name)
        joined = joining.run([tmp_path / f"slice-{at}" for at in range(len(names))], tmp_path / "joined", judge)
        assert len(server.asked) == asked == 10 + 1 + 9

    ratings = [*"0123456", "0", "1", "malformed"]
    assert [row["rating"] for row in made.rows()] == ["8 6"] * 9 + ratings
    assert list(joined.rows()) == list(made.rows())
    results = made.results["benchmarks"]
    assert results["mmhal"]["metrics"]["score"]["value"] == pytest.approx((21 + 0 + 1 + 0) / 10)
    assert results["mmhal"]["strict"]["score"]["value"] == pytest.approx(22 / 9)
    assert results["mmhal"]["strict"]["malformed"]["value"] == pytest.approx(0.1)
    assert results["llava_bench"]["metrics"]["relative_score"]["value"] == pytest.approx(75.0)
    assert results == joined.results["benchmarks"]
    assert made.results["judge"]["served_as"] == ["tiny"]
    assert made.results["judge"]["system_fingerprints"] == ["fp_7"]
    assert (made.results["judge"]["requests"], joined.results["judge"]["requests"]) == (20, 0)
    assert made.results["identity"]["protocol"]["judge"]["model"] == "tiny"
    assert made.results["identity"]["protocol"] == joined.results["identity"]["protocol"]


def test_without_a_judge_its_metrics_are_refused_and_the_answers_are_kept(
    world: tuple[str, str], tmp_path: Path
) -> None:
    root, model = world
    made = evaluation.run(root, model, tmp_path / "out", SETTINGS)
    for name, metrics in (("mmhal", ["hallucination_rate", "score"]), ("llava_bench", ["answer_score"])):
        entry = made.results["benchmarks"][name]
        assert entry["metrics"] == {} and entry["questions"] >= 9
        assert entry["refused"].keys() >= set(metrics)
        assert "judge.base_url" in entry["refused"][metrics[0]]
    assert "judge" not in made.results
    assert {row["rating"] for row in read_artifact(tmp_path / "out", "answers").rows()} == {""}
