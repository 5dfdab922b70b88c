"""CHAIR on answers counted by hand."""

import json
from pathlib import Path

import pytest

from groundtune.benchmarks.question import Answered, row_of
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.chair import Chair
from groundtune.benchmarks.tools import Tools
from groundtune.errors import RecordError, SettingError

VOCABULARY = {"dog": ["puppy"], "cat": [], "cup": ["mug"], "traffic light": ["stop light"]}


def chair(folder: Path, *rows: dict[str, object]) -> tuple[Chair, QuestionFiles]:
    (folder / "vocabulary.json").write_text(json.dumps(VOCABULARY))
    (folder / "chair.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return Chair("chair", Tools(str(folder / "vocabulary.json"))), QuestionFiles(str(folder / "chair.jsonl"))


def line(name: str, **fields: object) -> dict[str, object]:
    return {"id": name, "image": f"{name}.png", "instruction": "Describe.", "objects": ["dog"], **fields}


def test_metrics_match_answers_counted_by_hand(tmp_path: Path) -> None:
    benchmark, file = chair(
        tmp_path,
        line("a", objects=["puppy", "cup"]),
        line("b", objects=["cat"]),
        line("c", objects=[]),
        line("d", objects=["dog"]),
    )
    answers = [
        "A dog, a puppy and a cat.",  # dog dog cat: one wrong word of three, covers dog, misses cup; 7 words
        "A cat",  # right; 2 words
        "Nothing here",  # no object at all; 2 words
        "Two mugs, a mug",  # cup cup: both wrong, misses dog; 4 words
    ]
    rows = [
        Answered(question, answer, benchmark.parse(question, answer))
        for question, answer in zip(benchmark.load(file), answers, strict=True)
    ]
    assert [row.parsed for row in rows] == ['["dog","dog","cat"]', '["cat"]', "[]", '["cup","cup"]']
    assert [benchmark.correct(row) for row in rows] == [False, True, True, False]
    totals = {name: column.sum() for name, column in benchmark.score(rows).columns.items()}
    figures = {name: float(value) for name, value in benchmark.metrics(totals).items()}
    assert figures == pytest.approx(
        {
            "chairs": 2 / 3,
            "chairs_all": 2 / 4,
            "chairi": 3 / 6,
            "recall": 2 / 4,
            "words": 15 / 4,
            "objects": 6 / 4,
        }
    )


def test_a_model_that_names_nothing_scores_zero_hallucination_and_zero_recall(tmp_path: Path) -> None:
    benchmark, file = chair(tmp_path, line("a"))
    question = benchmark.load(file)[0]
    counts = benchmark.score([Answered(question, "", benchmark.parse(question, ""))])
    figures = benchmark.metrics({name: column.sum() for name, column in counts.columns.items()})
    assert {name: float(value) for name, value in figures.items()} == dict.fromkeys(figures, 0.0)


def test_the_truth_unites_objects_and_reference_captions(tmp_path: Path) -> None:
    benchmark, file = chair(tmp_path, line("a", objects=["puppy"], captions=["A mug below stop lights", "a dog"]))
    assert benchmark.load(file)[0].truth == ["cup", "dog", "traffic light"]


def test_rows_can_be_scored_without_the_vocabulary(tmp_path: Path) -> None:
    benchmark, file = chair(tmp_path, line("a"))
    question = benchmark.load(file)[0]
    one = Answered(question, "A cat", benchmark.parse(question, "A cat"))
    row = row_of(one, "0" * 64, correct=False)
    assert row["truth"] == '["dog"]'
    again = Chair("chair").answered(row)
    assert again == one
    assert Chair("chair").score([again]).columns["hallucinated_words"].tolist() == [1.0]


def test_a_truth_outside_the_vocabulary_is_named(tmp_path: Path) -> None:
    benchmark, file = chair(tmp_path, line("a"), line("b", objects=["dog", "whale"]))
    with pytest.raises(RecordError, match=r"chair.jsonl:2 id=\"b\": objects: holds 'whale'"):
        benchmark.load(file)


@pytest.mark.parametrize("objects", ["dog", [1], None])
def test_objects_must_be_a_list_of_names(tmp_path: Path, objects: object) -> None:
    benchmark, file = chair(tmp_path, line("a", objects=objects))
    with pytest.raises(RecordError, match=r"chair.jsonl:1 .*objects: .*expected"):
        benchmark.load(file)


def test_chair_without_a_vocabulary_names_the_setting(tmp_path: Path) -> None:
    _, file = chair(tmp_path, line("a"))
    with pytest.raises(SettingError, match="setting 'vocabulary'"):
        Chair("chair").load(file)


def test_a_text_analysis_that_cannot_be_had_shows_before_anything_is_answered(tmp_path: Path) -> None:
    _, file = chair(tmp_path, line("a"))
    tools = Tools(str(tmp_path / "vocabulary.json"), "spacy", "no_such_pipeline")
    with pytest.raises(SettingError, match="spacy_model"):
        Chair("chair", tools).load(file)


def test_the_identity_names_the_text_analysis() -> None:
    assert "plural-rules-1" in Chair("chair").identity()["text_analysis"]
