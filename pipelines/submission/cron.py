"""KFP's cron expressions: six fields, seconds first. Checked here, since KFP takes five as well and fires wrongly.

With five fields KFP takes the first for seconds and shifts the others: "0 3 * * *", meant for three o'clock, fires at
three past every hour.
"""

import re
from datetime import datetime

from groundtune.errors import SettingError

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: i for i, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: i for i, name in enumerate(_DAY_NAMES)}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("seconds", 0, 59, {}),
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("days of the month", 1, 31, {}),
    ("months", 1, 12, _MONTHS),
    ("days of the week", 0, 6, _DAYS),
)
_LONGEST = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}
_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


def check_cron(expression: str) -> str:
    """The expression, its fields one space apart. Raises SettingError that says which field is wrong, and why."""
    fields = expression.split()
    if len(fields) == 5:
        raise SettingError("--cron", expression, f'six fields, seconds first: "0 {" ".join(fields)}"')
    if len(fields) != 6:
        raise SettingError("--cron", expression, 'six fields, e.g. "0 0 3 * * 1": second minute hour day month weekday')
    values = [_values(field, *kind, expression) for field, kind in zip(fields, _FIELDS, strict=True)]
    if len(values[0]) != 1:
        raise SettingError("--cron", expression, f"one second (0-59) in the first field, not {fields[0]!r}")
    if fields[5] in ("*", "?") and min(values[3]) > max(_LONGEST[month] for month in values[4]):
        raise SettingError("--cron", expression, f"a day that is in the calendar: no such month has {fields[3]} days")
    return " ".join(fields)


def check_window(start: str, end: str) -> None:
    """RFC 3339 times with a zone, "" for none. Raises SettingError that names the option."""
    moments = {}
    for option, text in (("--start", start), ("--end", end)):
        if text:
            moments[option] = _moment(option, text)
    if len(moments) == 2 and moments["--start"] >= moments["--end"]:
        raise SettingError("--end", end, f"a time after --start {start}")


def _moment(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in text:
        raise SettingError(option, text, "a time with its zone, e.g. 2026-12-01T00:00:00Z")
    return moment


def _values(field: str, name: str, low: int, high: int, names: dict[str, int], expression: str) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        ends = _ends(match, low, high, names) if match else None
        if match is None or ends is None or not low <= ends[0] <= ends[1] <= high or match["step"] == "0":
            expected = f"{low}-{high}, *, lists, ranges and steps in its {name}, not {part!r}"
            raise SettingError("--cron", expression, expected)
        found.update(range(ends[0], ends[1] + 1, int(match["step"] or 1)))
    return found


def _ends(match: re.Match[str], low: int, high: int, names: dict[str, int]) -> tuple[int, int] | None:
    if match["first"] in ("*", "?"):
        return None if match["last"] else (low, high)
    first, last = (_number(match[end], names) for end in ("first", "last"))
    if first is None or (match["last"] and last is None):
        return None
    return first, last if last is not None else high if match["step"] else first


def _number(word: str | None, names: dict[str, int]) -> int | None:
    if word is None:
        return None
    return names.get(word.lower(), int(word) if word.isascii() and word.isdigit() else None)
