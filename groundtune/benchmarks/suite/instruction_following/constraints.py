"""Reading the constraints of a question: a wrong one is named before a model is asked."""

from collections.abc import Callable
from typing import Any

from groundtune.benchmarks.question_files import QuestionLine
from groundtune.benchmarks.suite.instruction_following.checks import CHECKS, COUNT
from groundtune.benchmarks.suite.instruction_following.languages import LANGUAGES

FIELD = "constraints"
# argument -> (what it has to be, whether a value is that)
ARGUMENTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "least": ("a whole number, not negative", lambda value: _is_count(value)),
    "most": ("a whole number, not negative", lambda value: _is_count(value)),
    "words": ("a list of one string or more", lambda value: _is_strings(value) and bool(value)),
    "keys": ("a list of strings", lambda value: _is_strings(value)),
    "text": ("a string with something in it", lambda value: isinstance(value, str) and bool(value.strip())),
    "language": (f"one of {', '.join(LANGUAGES)}", lambda value: value in LANGUAGES),
}
OPTIONAL = {*COUNT, "keys"}


def read_constraints(line: QuestionLine) -> list[dict[str, Any]]:
    """`constraints`: a list of {"check": name, argument: value ...}, at least one. Raises RecordError."""
    found = line.typed(FIELD, list)
    if not found:
        raise line.error(FIELD, "is empty, expected at least one")
    for constraint in found:
        _check(line, constraint)
    return list(found)


def _check(line: QuestionLine, constraint: Any) -> None:
    name = constraint.get("check") if isinstance(constraint, dict) else None
    if not isinstance(name, str) or name not in CHECKS:
        raise line.error(FIELD, f'holds {constraint!r}, expected {{"check": one of {", ".join(CHECKS)}}}')
    allowed = CHECKS[name].arguments
    for argument, value in constraint.items():
        if argument == "check":
            continue
        if argument not in allowed:
            known = f"only {', '.join(allowed)}" if allowed else "no argument"
            raise line.error(FIELD, f"{name} has {argument!r}, expected {known}")
        expected, is_valid = ARGUMENTS[argument]
        if not is_valid(value):
            raise line.error(FIELD, f"{name}: {argument} is {value!r}, expected {expected}")
    for argument in allowed:
        if argument not in constraint and argument not in OPTIONAL:
            raise line.error(FIELD, f"{name} lacks {argument!r}")
    if allowed == COUNT:
        if not set(COUNT) & constraint.keys():
            raise line.error(FIELD, f"{name} lacks {COUNT[0]!r}, {COUNT[1]!r} or both")
        if constraint.get("least", 0) > constraint.get("most", float("inf")):
            raise line.error(FIELD, f"{name}: least {constraint['least']} is more than most {constraint['most']}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
