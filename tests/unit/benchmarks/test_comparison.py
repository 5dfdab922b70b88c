"""Comparisons: paired, refused when the evaluations are not of the same questions, readable as a table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact
from groundtune.benchmarks.bootstrap import Difference, Resampling
from groundtune.benchmarks.comparison import compare, to_markdown, verdict
from groundtune.benchmarks.evaluation import run
from groundtune.benchmarks.question import Answered, Question, row_of
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import answers_by_benchmark, results_of
from groundtune.errors import ArtifactError
from groundtune.settings import EvaluationSettings
from tests.tiny_checkpoints import tiny_adapter, tiny_llava
from tests.unit.benchmarks.worlds import SETTINGS, write_world

PROTOCOL = {"inputs": {"images": "1"}, "yes_no_suffix": ""}


def evaluated(
    path: Path, right: dict[str, int], images: int = 40, protocol: dict | None = None, **asked: str
) -> Artifact:
    """An evaluation of POPE splits and captions whose first `right[name]` of `images` answers are right."""
    rows = []
    for name, good in right.items():
        benchmark = benchmark_named(name)
        for i in range(images):
            caption = name == "chair"
            truth = ["dog"] if caption else ("yes" if i % 2 else "no")
            text = asked.get("text", "What is this?")
            question = Question(name, str(i), f"{i}.png", text, truth, "caption" if caption else "yes_no")
            if caption:
                said = ["dog"] if i < good else ["dog", "cat"]
                one = Answered(question, " ".join(said), json.dumps(said))
            else:
                answer = str(truth) if i < good else {"yes": "no", "no": "yes"}[str(truth)]
                one = Answered(question, answer, benchmark.parse(question, answer))
            rows.append(row_of(one, "0" * 64, benchmark.correct(one)))
    settings = EvaluationSettings(benchmarks=dict.fromkeys(right, "file"), bootstrap_resamples=400)
    writer = ArtifactWriter(path, "answers", settings.to_mapping(), {})
    writer.write_part(0, rows)
    results = results_of(answers_by_benchmark(rows), Resampling(400))
    identity = {"identity": {"protocol": protocol or PROTOCOL}}
    return writer.finish(len(rows), results=lambda _: results | identity)


def row_named(comparison: dict, benchmark: str, metric: str, reading: str = "official") -> dict:
    (found,) = (
        row
        for row in comparison["rows"]
        if (row["benchmark"], row["metric"], row["reading"]) == (benchmark, metric, reading)
    )
    return found


def test_rows_hold_both_models_their_difference_and_a_verdict(tmp_path: Path) -> None:
    base = evaluated(tmp_path / "base", {"pope_random": 20, "pope_popular": 16, "chair": 10})
    aligned = evaluated(tmp_path / "aligned", {"pope_random": 34, "pope_popular": 16, "chair": 30})
    compared = compare(base, aligned)
    accuracy = row_named(compared, "pope_random", "accuracy")
    assert (accuracy["base"]["value"], accuracy["aligned"]["value"]) == (0.5, 0.85)
    assert accuracy["difference"]["value"] == pytest.approx(0.35)
    assert 0 < accuracy["difference"]["low"] < 0.35 < accuracy["difference"]["high"]
    assert accuracy["difference"]["p"] < 0.01
    assert (accuracy["better"], accuracy["verdict"]) == ("higher", "better")
    chairs = row_named(compared, "chair", "chairs")
    assert (chairs["better"], chairs["verdict"]) == ("lower", "better")
    assert chairs["difference"]["value"] == pytest.approx(0.25 - 0.75)
    same = row_named(compared, "pope_popular", "f1", "strict")
    assert (same["difference"]["value"], same["difference"]["p"], same["verdict"]) == (0.0, 1.0, "open")
    assert row_named(compared, "pope_random", "yes_ratio")["verdict"] == "open"


def test_splits_get_a_row_of_means(tmp_path: Path) -> None:
    base = evaluated(tmp_path / "base", {"pope_random": 20, "pope_popular": 16})
    aligned = evaluated(tmp_path / "aligned", {"pope_random": 34, "pope_popular": 20})
    compared = compare(base, aligned)
    mean = row_named(compared, "pope", "accuracy", "mean of 2")
    assert mean["base"]["value"] == pytest.approx((0.5 + 0.4) / 2)
    assert mean["difference"]["value"] == pytest.approx((0.35 + 0.1) / 2)
    f1 = [row_named(compared, name, "f1")["aligned"]["value"] for name in ("pope_random", "pope_popular")]
    assert row_named(compared, "pope", "f1", "mean of 2")["aligned"]["value"] == pytest.approx(sum(f1) / 2)


def test_a_worse_model_is_called_worse(tmp_path: Path) -> None:
    base = evaluated(tmp_path / "base", {"pope": 36})
    aligned = evaluated(tmp_path / "aligned", {"pope": 16})
    assert row_named(compare(base, aligned), "pope", "accuracy")["verdict"] == "worse"


@pytest.mark.parametrize(
    ("low", "high", "better", "expected"),
    [
        (0.1, 0.2, "higher", "better"),
        (0.1, 0.2, "lower", "worse"),
        (-0.2, -0.1, "lower", "better"),
        (-0.2, -0.1, "higher", "worse"),
        (-0.1, 0.1, "higher", "open"),
        (0.0, 0.1, "higher", "open"),
        (0.1, 0.2, "", "open"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low: float, high: float, better: str, expected: str) -> None:
    assert verdict(Difference(0.0, low, high, 0.5), better) == expected


def test_evaluations_of_different_questions_are_refused(tmp_path: Path) -> None:
    base = evaluated(tmp_path / "base", {"pope": 20})
    with pytest.raises(ArtifactError, match=r'pope/0: .*"What is this\?" about 0.png .*"And this\?"'):
        compare(base, evaluated(tmp_path / "text", {"pope": 20}, text="And this?"))
    with pytest.raises(ArtifactError, match=r"pope/39: .*no such question"):
        compare(base, evaluated(tmp_path / "fewer", {"pope": 20}, images=39))
    with pytest.raises(ArtifactError, match=r"answers \['pope'\], .* answers \['pope_random'\]"):
        compare(base, evaluated(tmp_path / "split", {"pope_random": 20}))


def test_evaluations_by_different_protocols_are_refused(tmp_path: Path) -> None:
    base = evaluated(tmp_path / "base", {"pope": 20})
    other = evaluated(tmp_path / "other", {"pope": 20}, protocol={**PROTOCOL, "yes_no_suffix": "Short, please."})
    with pytest.raises(ArtifactError, match=r"yes_no_suffix is '' and 'Short, please\.'"):
        compare(base, other)


def test_another_kind_of_artifact_is_refused(tmp_path: Path) -> None:
    base = evaluated(tmp_path / "base", {"pope": 20})
    pairs = replace(base, manifest={**base.manifest, "kind": "pairs"})
    with pytest.raises(ArtifactError, match="holds 'pairs', expected"):
        compare(base, pairs)


def test_the_table_has_a_line_a_row_with_values_and_intervals(tmp_path: Path) -> None:
    base, aligned = evaluated(tmp_path / "base", {"pope": 20}), evaluated(tmp_path / "aligned", {"pope": 34})
    compared = compare(base, aligned)
    lines = to_markdown(compared).splitlines()
    assert len([line for line in lines if line.startswith("|")]) == 2 + len(compared["rows"])
    assert lines[2].startswith("| pope | official | accuracy ↑ | 0.500 [0.")
    assert "| +0.350 [+0." in lines[2]
    assert lines[2].endswith("| better |")
    assert "95% intervals, bootstrap over images" in lines[-1]


def test_a_base_model_and_its_adapter_can_be_compared_end_to_end(tmp_path: Path) -> None:
    root = write_world(tmp_path / "world", images=6)
    model = str(tiny_llava(tmp_path / "model"))
    adapter = str(tiny_adapter(tmp_path / "adapter", model))
    base = run(str(root), model, tmp_path / "base", SETTINGS)
    aligned = run(str(root), model, tmp_path / "aligned", SETTINGS, adapter=adapter)
    compared = compare(base, aligned)
    assert json.loads(json.dumps(compared)) == compared
    assert {row["benchmark"] for row in compared["rows"]} == {"pope_random", "pope_popular", "chair", "pope"}
    for row in compared["rows"]:
        assert row["difference"]["value"] == pytest.approx(row["aligned"]["value"] - row["base"]["value"])
        figures = base.results["benchmarks"].get(row["benchmark"], {}).get("metrics", {})
        if row["reading"] == "official":
            assert row["base"] == figures[row["metric"]]
