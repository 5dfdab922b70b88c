"""Cron expressions as KFP reads them: six fields, seconds first."""

import pytest

from groundtune.errors import SettingError
from pipelines.submission.cron import check_cron, check_window


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 3 * * *",
        "0 30 2 ? * 1-5",
        "0 0 */6 * * *",
        "0 15,45 8-18/2 1 JAN,jul ?",
        "59 59 23 31 12 sun",
        "0 0 0 29 2 *",
        "0 0 0 31 * *",
        "0 0 0 31 2 1",  # the weekday alone lets it fire
        "0 5/20 * * * *",
    ],
)
def test_what_kfp_reads_is_taken(expression: str) -> None:
    assert check_cron(f"  {expression.replace(' ', '  ')} ") == expression


def test_five_fields_are_answered_with_the_six_that_are_meant() -> None:
    with pytest.raises(
        SettingError, match=r"""'--cron' is '0 3 \* \* \*': expected six fields, seconds first: "0 0 3 """
    ):
        check_cron("0 3 * * *")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("@daily", "expected six fields"),
        ("", "expected six fields"),
        ("0 0 3 * * * 2026", "expected six fields"),
        ("0 60 3 * * *", r"0-59, \*, lists, ranges and steps in its minutes, not '60'"),
        ("0 0 24 * * *", "in its hours, not '24'"),
        ("0 0 3 0 * *", "in its days of the month, not '0'"),
        ("0 0 3 * 13 *", "in its months, not '13'"),
        ("0 0 3 * * 7", "in its days of the week, not '7'"),
        ("0 0 3 * * MONDAY", "in its days of the week, not 'MONDAY'"),
        ("0 0 9-8 * * *", "in its hours, not '9-8'"),
        ("0 0 */0 * * *", "in its hours, not '/0'|'\\*/0'"),
        ("0 0 3, * * *", "in its hours, not ''"),
        ("0 0 ٣ * * *", "in its hours"),
        ("0 0 3 L * *", "in its days of the month, not 'L'"),
        ("* 0 3 * * *", r"one second \(0-59\) in the first field, not '\*'"),
        ("*/10 * * * * *", "one second"),
        ("0 0 0 30 2 *", "no such month has 30 days"),
        ("0 0 0 31 4,6 ?", "no such month has 31 days"),
    ],
)
def test_what_would_never_fire_or_not_when_it_is_meant_is_named(expression: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        check_cron(expression)


@pytest.mark.parametrize(("start", "end"), [("", ""), ("2026-12-01T00:00:00Z", ""), ("", "2026-12-01T00:00:00+01:00"),
                                            ("2026-12-01T00:00:00Z", "2026-12-01T01:30:00+01:00")])  # fmt: skip
def test_a_window_has_times_with_zones(start: str, end: str) -> None:
    check_window(start, end)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("tomorrow", "", "'--start' is 'tomorrow': expected a time with its zone"),
        ("2026-12-01T00:00:00", "", "'--start'"),
        ("", "2026-12-01", "'--end'"),
        ("2026-12-01T00:00:00Z", "2026-12-01T00:30:00+01:00", "'--end' .* expected a time after --start"),
    ],
)
def test_a_window_that_is_none_is_named(start: str, end: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        check_window(start, end)
