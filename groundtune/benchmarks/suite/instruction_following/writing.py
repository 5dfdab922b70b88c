"""What an answer is made of: words, sentences, paragraphs, list items, a JSON value (ours)."""

import json
import re
from typing import Any

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
# Looked for from the first mark of a run only, and without going back into it: linear in runs of thousands of marks.
_END = re.compile(r"(?<![.!?…。！？])[.!?…。！？]++[\"'”’»)\]]*+(?=\s|$)|[。！？]")
_ABBREVIATIONS = frozenset(
    ("mr.", "mrs.", "ms.", "dr.", "st.", "e.g.", "i.e.", "vs.", "approx.", "no.", "fig.", "z.b.", "d.h.", "bzw.")
)  # "etc." ends a sentence as often as not
_LONGEST = 12  # characters that tell whether an abbreviation stands at the end
_BULLET = re.compile(r"\s*[-*+•–]\s+\S")
_NUMBERED = re.compile(r"\s*(\d+)[.)]\s+\S")
_FENCES = ("```", "```json", "```JSON")


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores; a hyphen or an apostrophe inside a word keeps it whole."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Cut behind ".", "!", "?" and their like where white space follows, and at the ends of lines; what holds no word
    is none. A full stop of a common abbreviation ("e.g.") or of one letter ("J. Smith") ends nothing."""
    found = []
    for line in text.splitlines():
        start = 0
        for end in _END.finditer(line):
            if not _is_abbreviated(line[max(start, end.end() - _LONGEST) : end.end()]):
                found.append(line[start : end.end()])
                start = end.end()
        found.append(line[start:])
    return [sentence.strip() for sentence in found if words(sentence)]


def paragraphs(text: str) -> list[str]:
    """Parts with a word in them, parted by blank lines."""
    return [part for part in re.split(r"\n[^\S\n]*\n", text.replace("\r\n", "\n")) if words(part)]


def bullets(text: str) -> list[str]:
    """Lines that begin with a bullet mark and a space."""
    return [line for line in text.splitlines() if _BULLET.match(line)]


def numbered_items(text: str) -> list[str]:
    """Lines "1. ...", "2) ..." that count from one without a gap; [] when they do not."""
    items = [(match, line) for line in text.splitlines() if (match := _NUMBERED.match(line))]
    in_order = [int(match[1][:9]) for match, _ in items] == list(range(1, len(items) + 1))
    return [line for _, line in items] if in_order else []


def json_value(text: str) -> Any:
    """The JSON object or list that the answer is, in a fence or not; None when it is anything else."""
    try:
        value = json.loads(_unfenced(text.strip()), parse_constant=_refuse)
    except (ValueError, RecursionError):  # not JSON, NaN, a number of thousands of digits, nested too deep
        return None
    return value if isinstance(value, (dict, list)) else None


def _unfenced(text: str) -> str:
    first, _, rest = text.partition("\n")
    return rest.removesuffix("```") if first.rstrip() in _FENCES and rest.endswith("```") else text


def _is_abbreviated(end: str) -> bool:
    last = end.split()[-1].lower().lstrip("\"'“‘«([") if end.split() else ""
    return last in _ABBREVIATIONS or (len(last) == 2 and last[0].isalpha() and last[1] == "." and last != "i.")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
