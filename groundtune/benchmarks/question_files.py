"""The published files of a benchmark, read as they are: each file digested, each record with its place."""

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError

from groundtune import storage
from groundtune.errors import RecordError, SettingError
from groundtune.images import ATTACHED

_KINDS: dict[Any, str] = {str: "a string", list: "a list", dict: "an object", int: "a whole number"}
_UNREADABLE = (ValueError, RecursionError)  # not JSON, a number of thousands of digits; nested too deep


class QuestionFiles:
    """One benchmark's file, or its folder, local or s3://.

    A benchmark with a part of its questions is another benchmark: what cannot be read stops the reading, with the name
    of the file and the line. digests: name of every file that was read -> sha256; they are the benchmark's version.
    attached: images that came inside a question file, by the name behind `attached:`.
    """

    def __init__(self, uri: str):
        self.uri = uri
        self.digests: dict[str, str] = {}
        self.attached: dict[str, bytes] = {}
        below = storage.list_files(uri)
        if not below and not storage.exists(uri):
            raise SettingError("benchmarks", uri, "a file, or a folder with a benchmark's published files")
        self._names = sorted(below)
        self._known = frozenset(below)
        self.is_folder = bool(below)

    def names(self) -> list[str]:
        """Every file below the folder, relative and sorted; [] for a single file."""
        return self._names

    def has(self, name: str) -> bool:
        return name in self._known

    def read(self, name: str = "") -> bytes:
        """A file's bytes; "" is the single file itself. Raises SettingError when the folder lacks it."""
        if name and not self.has(name):
            raise SettingError("benchmarks", self.uri, f"a folder that holds {name}")
        if not name and self.is_folder:
            raise SettingError("benchmarks", self.uri, "one file of questions, not a folder")
        data = storage.read_bytes(storage.join(self.uri, name) if name else self.uri)
        self.digests[name or self.uri.rpartition("/")[2]] = hashlib.sha256(data).hexdigest()
        return data

    def text(self, name: str = "") -> str:
        """The file as UTF-8 text, without a byte order mark."""
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SettingError("benchmarks", self.place(name), f"a file of UTF-8 text ({error})") from error

    def json(self, name: str = "") -> Any:
        """The file as one JSON value."""
        try:
            return json.loads(self.text(name))
        except _UNREADABLE as error:
            raise SettingError("benchmarks", self.place(name), f"a file of JSON ({error})") from error

    def records(self, name: str = "", id_field: str = "id") -> Iterator["QuestionLine"]:
        """The objects of a file: JSON lines (blank ones skipped), or one JSON list. id_field holds the id, a string or
        a whole number, and no two are alike; "" numbers the records by line. Raises RecordError (file:line) or
        SettingError (nothing in it)."""
        seen: dict[str, str] = {}
        for number, value in self._values(name):
            record = _record(value, self.place(name, number), id_field, number)
            if record.record_id in seen:
                raise record.error(id_field, f"was used before, at {seen[record.record_id]}")
            seen[record.record_id] = record.place
            yield record
        if not seen:
            raise SettingError("benchmarks", self.place(name), "a file with at least one question")

    def place(self, name: str = "", number: int | None = None) -> str:
        """ "pope.jsonl:12": the file and the line (or the record's number in a JSON list), as errors show it."""
        file = name or self.uri.rpartition("/")[2]
        return file if number is None else f"{file}:{number}"

    def attach(self, data: bytes, record_id: str, place: str) -> str:
        """Keep an image that came inside a question file; -> its reference. Raises RecordError when it is none."""
        try:
            kind = (Image.open(io.BytesIO(data)).format or "").lower()
        except (UnidentifiedImageError, OSError) as error:
            raise RecordError(record_id, "image", f"is not a readable image: {error}", place) from error
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.{kind}"
        self.attached[name] = data
        return ATTACHED + name

    def _values(self, name: str) -> Iterator[tuple[int, Any]]:
        text = self.text(name)
        if text.lstrip().startswith("["):
            try:
                yield from enumerate(json.loads(text), 1)
            except _UNREADABLE as error:
                at = error.lineno if isinstance(error, json.JSONDecodeError) else None
                raise RecordError("", "line", _problem(error), self.place(name, at)) from error
            return
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except _UNREADABLE as error:
                    raise RecordError("", "line", _problem(error), self.place(name, number)) from error


class QuestionLine:
    """One object of a question file. place: "file.jsonl:12"."""

    def __init__(self, fields: dict[str, Any], place: str, record_id: str):
        self.fields, self.place, self.record_id = fields, place, record_id

    def text(self, name: str) -> str:
        """A string with something in it. Raises RecordError, also where UTF-8 cannot hold it: no tokenizer and no
        table takes half a character."""
        value = self.typed(name, str)
        if not value.strip():
            raise self.error(name, "is empty")
        self._check_whole(name, value)
        return str(value)

    def strings(self, name: str) -> list[str]:
        """A list of strings, maybe empty. Raises RecordError."""
        value = self.typed(name, list)
        for item in value:
            if not isinstance(item, str):
                raise self.error(name, f"holds {item!r}, expected strings")
            self._check_whole(name, item)
        return list(value)

    def typed(self, name: str, kind: type) -> Any:
        """A field of this type. Raises RecordError that says what else is there."""
        if name not in self.fields:
            raise self.error(name, f"is missing, expected {_KINDS[kind]}; found {', '.join(sorted(self.fields))}")
        value = self.fields[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(name, f"is {value!r}, expected {_KINDS[kind]}")
        return value

    def error(self, name: str, problem: str) -> RecordError:
        return RecordError(self.record_id, name, problem, self.place)

    def _check_whole(self, name: str, value: str) -> None:
        if not _is_whole(value):
            raise self.error(name, "holds half of a surrogate pair (\\ud800 to \\udfff), expected whole characters")


def _is_whole(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return "not JSON: nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"


def _record(fields: Any, place: str, id_field: str, number: int) -> QuestionLine:
    if not isinstance(fields, dict):
        raise RecordError("", "line", f"a {type(fields).__name__}, expected an object", place)
    found = fields.get(id_field) if id_field else number
    if isinstance(found, bool) or not isinstance(found, (str, int)) or found == "":
        raise RecordError("", id_field, f"is {found!r}, expected a string or a whole number", place)
    if not _is_whole(str(found)):
        raise RecordError("", id_field, f"is {found!r}, which holds half of a surrogate pair", place)
    return QuestionLine(fields, place, str(found))
