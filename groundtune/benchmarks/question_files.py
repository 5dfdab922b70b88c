"""JSON lines of a question file, each with its place, so that an error says file and line."""

import json
from collections.abc import Iterator
from typing import Any

from groundtune import storage
from groundtune.errors import RecordError, SettingError

_KINDS: dict[Any, str] = {str: "a string", list: "a list", dict: "an object"}


class QuestionLine:
    """One object of a question file. place: "file.jsonl:12"."""

    def __init__(self, fields: dict[str, Any], place: str, record_id: str):
        self.fields, self.place, self.record_id = fields, place, record_id

    def text(self, name: str) -> str:
        """A string with something in it. Raises RecordError."""
        value = self._typed(name, str)
        if not value.strip():
            raise self.error(name, "is empty")
        return str(value)

    def strings(self, name: str) -> list[str]:
        """A list of strings, maybe empty. Raises RecordError."""
        value = self._typed(name, list)
        for item in value:
            if not isinstance(item, str):
                raise self.error(name, f"holds {item!r}, expected strings")
        return list(value)

    def error(self, name: str, problem: str) -> RecordError:
        return RecordError(self.record_id, name, problem, self.place)

    def _typed(self, name: str, kind: type) -> Any:
        if name not in self.fields:
            raise self.error(
                name, f"is missing, expected {_KINDS[kind]}; found {', '.join(sorted(self.fields))}"
            )
        value = self.fields[name]
        if not isinstance(value, kind):
            raise self.error(name, f"is {value!r}, expected {_KINDS[kind]}")
        return value


def read_questions(uri: str, id_field: str) -> Iterator[QuestionLine]:
    """The objects of a JSON-lines file, blank lines skipped. id_field holds the id, a string or a whole
    number.

    A wrong line stops the reading: a benchmark with a part of its questions is another benchmark. Raises
    RecordError (file:line: not JSON, no id, id used twice) or SettingError (no question at all, not UTF-8).
    """
    file = uri.rpartition("/")[2]
    seen: dict[str, str] = {}
    try:
        lines = storage.read_bytes(uri).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise SettingError("benchmarks", uri, f"a file of UTF-8 text ({error})") from error
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        line = _read_line(text, f"{file}:{number}", id_field)
        if line.record_id in seen:
            raise line.error(id_field, f"was used before, at {seen[line.record_id]}")
        seen[line.record_id] = line.place
        yield line
    if not seen:
        raise SettingError("benchmarks", uri, "a file with at least one question")


def _read_line(text: str, place: str, id_field: str) -> QuestionLine:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError("", "line", f"not JSON: {error.msg} at column {error.colno}", place) from error
    if not isinstance(fields, dict):
        raise RecordError("", "line", f"a {type(fields).__name__}, expected an object", place)
    found = fields.get(id_field)
    if isinstance(found, bool) or not isinstance(found, (str, int)) or found == "":
        raise RecordError("", id_field, f"is {found!r}, expected a string or a whole number", place)
    return QuestionLine(fields, place, str(found))
