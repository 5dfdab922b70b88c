"""The constraints that a program can verify: each a small function of the answer, in one table (ours)."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from groundtune.benchmarks.suite.instruction_following import writing
from groundtune.benchmarks.suite.instruction_following.languages import language_of

Arguments = Mapping[str, Any]
_OPENING, _CLOSING = '"“„«', '"”“»'
_COMMAS = ",，、،"
# Letters of scripts without spaces between words: Thai and Lao, Burmese, Khmer, kana, Chinese characters.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_SPACED = rf"[^\W{_UNSPACED}]"  # what a word must not touch to be whole


@dataclass(frozen=True)
class Check:
    """group: what a table sums it under. arguments: what a constraint of this kind says beside its name, as told in
    `constraints`. holds: (answer, arguments) -> is it so?"""

    group: str
    arguments: tuple[str, ...]
    holds: Callable[[str, Arguments], bool]


def follows(answer: str, constraint: Arguments) -> bool:
    """Does the answer meet the constraint? An answer without a letter or digit meets none: silence follows nothing."""
    if not any(letter.isalnum() for letter in answer):
        return False
    return CHECKS[constraint["check"]].holds(answer, constraint)


def _counted(parts: Callable[[str], Sized]) -> Callable[[str, Arguments], bool]:
    """At least `least` and at most `most` of the parts."""

    def holds(answer: str, arguments: Arguments) -> bool:
        count = len(parts(answer))
        return arguments.get("least", 0) <= count <= arguments.get("most", count)

    return holds


def _json(answer: str, arguments: Arguments) -> bool:
    """The whole answer is a JSON object or list; with `keys` an object that has them."""
    value, keys = writing.json_value(answer), arguments.get("keys", [])
    return value is not None and (not keys or (isinstance(value, dict) and set(keys) <= value.keys()))


def _one_word(answer: str, arguments: Arguments) -> bool:
    return len(writing.words(answer)) == 1 and len(answer.split()) == 1


def _mentions(answer: str, arguments: Arguments) -> bool:
    """Every one of the words or phrases, as whole words in any case."""
    return all(_holds_word(answer, word) for word in arguments["words"])


def _mentions_any(answer: str, arguments: Arguments) -> bool:
    return any(_holds_word(answer, word) for word in arguments["words"])


def _avoids(answer: str, arguments: Arguments) -> bool:
    return not _mentions_any(answer, arguments)


def _starts_with(answer: str, arguments: Arguments) -> bool:
    """In any case, white space around the answer apart."""
    return _plain(answer).strip().startswith(_plain(arguments["text"]).strip())


def _ends_with(answer: str, arguments: Arguments) -> bool:
    return _plain(answer).strip().endswith(_plain(arguments["text"]).strip())


def _quoted(answer: str, arguments: Arguments) -> bool:
    """Begins and ends with a double quotation mark."""
    text = answer.strip()
    return len(text) > 2 and text[0] in _OPENING and text[-1] in _CLOSING


def _holds_word(answer: str, word: str) -> bool:
    """As a whole word; beside a letter of a script without spaces a word has no edge that could be seen."""
    word = _plain(word)
    before = "" if _IS_UNSPACED.match(word[:1]) else f"(?<!{_SPACED})"
    behind = "" if _IS_UNSPACED.match(word[-1:]) else f"(?!{_SPACED})"
    return re.search(f"{before}{re.escape(word)}{behind}", _plain(answer)) is not None


def _plain(text: str) -> str:
    """Compatible characters and capitals made equal: "Ｎo" and "no"."""
    return unicodedata.normalize("NFKC", text).casefold()


COUNT = ("least", "most")
CHECKS: dict[str, Check] = {
    "words": Check("length", COUNT, _counted(writing.words)),
    "sentences": Check("length", COUNT, _counted(writing.sentences)),
    "paragraphs": Check("length", COUNT, _counted(writing.paragraphs)),
    "characters": Check("length", COUNT, _counted(str.strip)),
    "bullets": Check("format", COUNT, _counted(writing.bullets)),
    "numbered": Check("format", COUNT, _counted(writing.numbered_items)),
    "json": Check("format", ("keys",), _json),
    "one_word": Check("format", (), _one_word),
    "no_commas": Check("format", (), lambda answer, _: not any(mark in answer for mark in _COMMAS)),
    "upper_case": Check("format", (), lambda answer, _: answer.isupper()),
    "lower_case": Check("format", (), lambda answer, _: answer.islower()),
    "quoted": Check("format", (), _quoted),
    "mentions": Check("content", ("words",), _mentions),
    "mentions_any": Check("content", ("words",), _mentions_any),
    "avoids": Check("content", ("words",), _avoids),
    "starts_with": Check("content", ("text",), _starts_with),
    "ends_with": Check("content", ("text",), _ends_with),
    "language": Check("language", ("language",), lambda answer, a: language_of(answer) == a["language"]),
}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(check.group for check in CHECKS.values()))
