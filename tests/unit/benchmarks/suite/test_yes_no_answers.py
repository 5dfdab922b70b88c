"""What a yes/no answer says, and which readings a set of answers allows."""

import pytest

from groundtune.benchmarks.question import Answered, Question
from groundtune.benchmarks.suite.yes_no_answers import readings_with_p_yes, said, strict_reading

READINGS = ("official", "strict")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("“No”", "no"), ("¿No?", "no"), ("—No", "no"), ("_No_", "no"), ("\u00a0No", "no"), ("**Yes**, it is", "yes"),
        ("Nothing", "other"), ("Yesterday", "other"), ("no1", "other"), ("", "other"), ("The answer is no", "other"),
    ],
)  # fmt: skip
def test_the_strict_reading_is_the_first_word_behind_any_marks(answer: str, found: str) -> None:
    assert strict_reading(answer) == found


def answered(answer: str, p_yes: float | None, generated: bool = True) -> Answered:
    question = Question("pope", "1", "a.png", "Is there a cat?", "yes", "yes_no")
    return Answered(question, answer, "yes", p_yes, generated=generated)


def test_a_model_that_only_says_nothing_is_still_read_officially() -> None:
    assert readings_with_p_yes(READINGS, [answered("", 0.2)] * 3) == ("official", "strict", "p_yes")
    assert readings_with_p_yes(READINGS, [answered("", 0.2, generated=False)] * 3) == ("p_yes",)
    assert readings_with_p_yes(READINGS, [answered("Yes", None)]) == READINGS
    assert readings_with_p_yes(READINGS, []) == READINGS


def test_the_likelier_of_yes_and_no_is_what_p_yes_says() -> None:
    assert [said(answered("x", p), "p_yes") for p in (0.51, 0.49, None)] == ["yes", "no", "other"]
