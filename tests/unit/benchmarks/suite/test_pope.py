"""POPE: the official parser to the digit, the strict reading beside it, and metrics computed by hand."""

from pathlib import Path

import pytest

from groundtune.benchmarks.question import Answered, Question
from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.benchmarks.suite.pope import Pope, official_reading
from groundtune.benchmarks.suite.yes_no_answers import strict_reading
from groundtune.errors import RecordError, SettingError

LINE = '{"question_id": %s, "image": "a.jpg", "text": "Is there a dog in the image?", "label": "%s"}\n'


@pytest.mark.parametrize(
    ("answer", "official", "strict"),
    [
        ("Yes", "yes", "yes"),
        ("No", "no", "no"),
        ("no", "no", "no"),
        ("Yes, there is a dog.", "yes", "yes"),
        ("No, there is no dog.", "no", "no"),
        ("There is not a dog in the image.", "no", "other"),
        ("There isn't a dog.", "yes", "other"),  # isn't is no negative word of the official parser
        ("NO", "yes", "no"),  # only No, not and no count
        ("Not", "yes", "other"),
        ("No!", "yes", "no"),  # the mark stays on the token
        ("no\n", "yes", "no"),  # split at single spaces only
        ("No.", "no", "no"),
        ("Well. No", "yes", "other"),  # what stands after the first full stop is not read
        ("N,o", "no", "other"),  # commas are deleted before the split
        (",no", "no", "no"),
        ("", "yes", "other"),
        ("I cannot answer that.", "yes", "other"),
        ("  no", "no", "no"),
        ("Yes, not no", "no", "yes"),
        ("Nothing", "yes", "other"),
        ('"Yes"', "yes", "yes"),
    ],
)
def test_both_readings_of_an_answer(answer: str, official: str, strict: str) -> None:
    assert official_reading(answer) == official
    assert strict_reading(answer) == strict


def answered(*pairs: tuple[str, str]) -> list[Answered]:
    pope = Pope("pope")
    questions = [Question("pope", str(i), f"{i}.jpg", "?", truth, "yes_no") for i, (truth, _) in enumerate(pairs)]
    return [Answered(q, answer, pope.parse(q, answer)) for q, (_, answer) in zip(questions, pairs, strict=True)]


def figures(reading: str, rows: list[Answered]) -> dict[str, float]:
    pope = Pope("pope")
    totals = {name: column.sum() for name, column in pope.score(rows, reading).columns.items()}
    return {name: round(float(value), 6) for name, value in pope.metrics(totals).items()}


def test_metrics_match_a_table_computed_by_hand() -> None:
    rows = answered(("yes", "Yes"), ("yes", "Yes"), ("yes", "No"), ("no", "No"), ("no", "Yes"), ("no", "maybe"))
    assert figures("official", rows) == {
        "accuracy": 0.5,  # TP 2, TN 1 of 6: "maybe" is a yes
        "precision": 0.5,
        "recall": 0.666667,
        "f1": 0.571429,
        "yes_ratio": 0.666667,  # of the predictions; of the labels it would be .5
        "unparsed": 0.166667,
    }


def test_an_unparsed_answer_is_wrong_and_no_yes_in_the_strict_reading() -> None:
    rows = answered(("yes", "maybe"), ("no", "maybe"), ("yes", "yes"), ("no", "no"))
    assert figures("strict", rows) == {
        "accuracy": 0.5, "precision": 1.0, "recall": 0.5, "f1": 0.666667, "yes_ratio": 0.25, "unparsed": 0.5,
    }  # fmt: skip
    assert figures("official", rows)["yes_ratio"] == 0.75


def test_a_model_that_never_says_yes_gets_zeros_and_not_an_error() -> None:
    rows = answered(("yes", "No"), ("no", "No"))
    assert figures("official", rows) == {
        "accuracy": 0.5, "precision": 0.0, "recall": 0.0, "f1": 0.0, "yes_ratio": 0.0, "unparsed": 0.0,
    }  # fmt: skip


def test_questions_are_read_with_their_labels(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text(LINE % (1, "yes") + "\n" + LINE % ('"x2"', "no"))
    first, second = Pope("pope_random").load(QuestionFiles(str(tmp_path / "q.json")))
    assert (first.question_id, first.truth, second.question_id, second.truth) == ("1", "yes", "x2", "no")
    assert first.record_id == "pope_random/1"
    assert first.kind == "yes_no"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LINE % (1, "yes") + LINE % (2, "maybe"),
            r'q.json:2 id="2": label: is \'maybe\', expected yes or no',
        ),
        (LINE % (1, "yes") + "{oops\n", "q.json:2 .*not JSON"),
        (LINE % (1, "yes") + "[1]\n", "q.json:2 .*a list, expected an object"),
        (LINE % (1, "yes") + LINE % (1, "no"), "q.json:2 .*was used before, at q.json:1"),
        ('{"question_id": 1, "text": "?", "label": "no"}', "q.json:1 .*image: is missing, expected a string"),
        ('{"question_id": 1, "image": 5, "text": "?", "label": "no"}', "q.json:1 .*image: is 5"),
        ('{"question_id": 1, "image": "a", "text": " ", "label": "no"}', "q.json:1 .*text: is empty"),
        ('{"image": "a", "text": "?", "label": "no"}', "q.json:1 .*question_id: is None"),
    ],
)
def test_a_wrong_line_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "q.json").write_text(text)
    with pytest.raises(RecordError, match=message):
        Pope("pope").load(QuestionFiles(str(tmp_path / "q.json")))


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text("\n")
    with pytest.raises(SettingError, match="at least one question"):
        Pope("pope").load(QuestionFiles(str(tmp_path / "q.json")))
