"""LLaVA-Bench: published files as they are, grades in either order, relative scores by category."""

import json
from pathlib import Path

import pytest

from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.judge import load_judge
from groundtune.benchmarks.judging import judged_rows
from groundtune.benchmarks.question import Answered
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import answers_by_benchmark, results_of
from groundtune.benchmarks.suite.llava_bench import MALFORMED, PROMPT, LlavaBench, read_grades
from groundtune.errors import GroundtuneError
from tests.scripted_judge import Say, scripted_judge
from tests.unit.benchmarks.judge.requests import settings_of
from tests.unit.benchmarks.judged_worlds import answered, write_llava_bench


@pytest.mark.parametrize(
    ("reply", "grades"),
    [
        ("8 7\nThe first one is better.", (8.0, 7.0)),
        ("8, 7", (8.0, 7.0)),
        ("  9.5 3  \n", (9.5, 3.0)),
        ("\n\n10 1", (10.0, 1.0)),
        ("8 7 9", None),
        ("8", None),
        ("", None),
        ("Answer 1: 8\nAnswer 2: 7", None),
        ("8/10 7/10", None),
        ("nan 5", None),
        ("inf 5", None),
        ("0 5", None),
        ("5 11", None),
        ("I think\n8 7", None),
    ],
)
def test_only_two_grades_on_the_first_line_are_a_verdict(reply: str, grades: tuple[float, float] | None) -> None:
    assert read_grades(reply) == grades


def test_scores_are_sums_of_grades_by_category(tmp_path: Path) -> None:
    benchmark = LlavaBench("llava_bench")
    questions = benchmark.load(QuestionFiles(str(write_llava_bench(tmp_path / "bench"))))
    assert [question.category for question in questions[:3]] == ["conv", "detail", "complex"]
    assert questions[0].truth == {"context": "Scene 0: a cup.\nA dog sleeps.", "reference": "Reference 0."}
    ratings = ["8 4", "10 10", "5 6", "8 8", MALFORMED, "9 3", "4 2", "10 5", "6 6"]
    done = answered(benchmark, questions, ["x"] * 9, ratings)
    figures = {}
    for reading in benchmark.readings:
        totals = {name: column.sum() for name, column in benchmark.score(done, reading).columns.items()}
        figures[reading] = {name: float(value) for name, value in benchmark.metrics(totals).items()}
    official, strict = figures["official"], figures["strict"]
    assert official["conv.relative_score"] == pytest.approx(100 * 14 / 20)
    assert official["detail.relative_score"] == pytest.approx(100 * (10 - 1 + 5) / (10 - 1 + 10))
    assert official["relative_score"] == pytest.approx(100 * 43 / 59)
    assert strict["relative_score"] == pytest.approx(100 * 44 / 60)
    assert (strict["answer_score"], strict["reference_score"]) == (44 / 8, 60 / 8)
    assert strict["malformed"] == pytest.approx(1 / 9)


def test_both_orders_ask_with_the_places_swapped_and_their_mean_is_reported(tmp_path: Path) -> None:
    files = QuestionFiles(str(write_llava_bench(tmp_path / "bench")))
    names = ("llava_bench_reference_first", "llava_bench_model_first")
    benchmarks = {name: benchmark_named(name) for name in names}
    asked = [
        Answered(question, f"Model {question.question_id}.", "")
        for benchmark in benchmarks.values()
        for question in benchmark.load(files)
    ]

    def script(request, before):  # grades the reference 8 and the model 5, and adds 1 to what stands first
        first_is_reference = request.text.index("Reference") < request.text.index("Model")
        return Say("9 5\nBecause." if first_is_reference else "6 8\nBecause.")

    images = {one.question.image: "sha" for one in asked}
    with scripted_judge(script) as server:
        rows = judged_rows(asked, images, benchmarks, load_judge(settings_of(server, tmp_path / "cache")))
        assert len(server.asked) == 18
        assert "Scene 1: a cup and a dog." in next(one.text for one in server.asked if "Reference 4." in one.text)
    assert {row["rating"] for row in rows[:9]} == {"9 5"} and {row["rating"] for row in rows[9:]} == {"8 6"}
    results = results_of(answers_by_benchmark(rows), Resampling(20))
    each = [results["benchmarks"][name]["metrics"]["relative_score"]["value"] for name in names]
    assert each == pytest.approx([100 * 5 / 9, 75.0])
    assert results["means"]["llava_bench"]["metrics"]["relative_score"]["value"] == pytest.approx(sum(each) / 2)
    assert [benchmark.identity()["order"] for benchmark in benchmarks.values()] == ["reference_first", "model_first"]


def test_without_a_judge_the_scores_are_refused_by_name(tmp_path: Path) -> None:
    files = QuestionFiles(str(write_llava_bench(tmp_path / "bench")))
    benchmarks = [benchmark_named(name) for name in ("llava_bench_reference_first", "llava_bench_model_first")]
    groups = {one.name: [Answered(question, "x", "") for question in one.load(files)] for one in benchmarks}
    results = results_of(groups, Resampling(20))
    for entry in results["benchmarks"].values():
        assert entry["metrics"] == {}
        assert list(entry["refused"]) == ["answer_score", "reference_score", "relative_score"]
        assert "judge.base_url" in entry["refused"]["relative_score"]
    assert results["means"]["llava_bench"]["metrics"] == {}


def test_our_own_prompt_shows_everything_and_would_not_grade_itself() -> None:
    for name in ("context", "question", "answer_1", "answer_2"):
        assert PROMPT.count(f"{{{name}}}") == 1
    assert read_grades(PROMPT) is None


def test_a_prompt_in_the_folder_replaces_ours(tmp_path: Path) -> None:
    folder = write_llava_bench(tmp_path / "bench")
    (folder / "judge_prompt.txt").write_text("{context}|{question}|{answer_1}|{answer_2}")
    benchmark = LlavaBench("llava_bench")
    (question, *_) = benchmark.load(QuestionFiles(str(folder)))
    (message,) = benchmark.judge_messages(Answered(question, "Mine.", ""))
    assert message["content"] == "Scene 0: a cup.\nA dog sleeps.|Tell me 0.|Reference 0.|Mine."
    assert benchmark.identity()["judge_prompt"].startswith("sha256 ")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("questions", {"category": "poem"}, r"questions.jsonl:2.*category.*conv, detail, complex"),
        ("questions", {"image": "9.png"}, r"questions.jsonl:2.*context.jsonl says nothing"),
        ("answers_gpt4", {"question_id": 77}, r"questions.jsonl:2.*no answer in answers_gpt4.jsonl"),
        ("answers_gpt4", {"text": ""}, r"answers_gpt4.jsonl:2.*text: is empty"),
        ("context", {"caption": 3}, r"context.jsonl:2.*caption"),
    ],
)
def test_a_wrong_record_is_named(file: str, change: dict, message: str, tmp_path: Path) -> None:
    folder = write_llava_bench(tmp_path / "bench")
    path = folder / f"{file}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1] |= change
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(GroundtuneError, match=message):
        LlavaBench("llava_bench").load(QuestionFiles(str(folder)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_llava_bench(tmp_path / "bench")
    (folder / "context.jsonl").unlink()
    with pytest.raises(GroundtuneError, match=r"context.jsonl"):
        LlavaBench("llava_bench").load(QuestionFiles(str(folder)))
    with pytest.raises(GroundtuneError, match=r"a folder with questions.jsonl"):
        LlavaBench("llava_bench").load(QuestionFiles(str(folder / "questions.jsonl")))
