"""Reading the files that raters saved; a file that does not fit the key is refused, not read in part."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from groundtune.benchmarks.human_preference.key import Key
from groundtune.errors import ArtifactError, RecordError

FORMAT = "groundtune verdicts 1"
CHOICES = ("first", "second", "tie")
Winner = Literal["base", "aligned", "tie"]


@dataclass(frozen=True)
class Verdict:
    """winner: whose answer was preferred. first: whether that one stood first; None for a tie. at: when, ISO 8601.
    seconds: how long the pair was looked at."""

    pair_id: str
    winner: Winner
    first: bool | None
    at: str
    seconds: float


def read_raters(key: Key, files: Iterable[str | Path]) -> dict[str, list[Verdict]]:
    """Rater's name -> verdicts, a file a rater, in the order of the files.

    Raises ArtifactError (a file that is no verdicts file, of another sheet, of a rater who has one already) and
    RecordError (a pair that the sheet does not have, a pair twice, a choice that is none); both name the file.
    """
    sides = {pair.pair_id: pair.aligned_first for pair in key.pairs}
    raters: dict[str, list[Verdict]] = {}
    origins: dict[str, str | Path] = {}
    for file in files:
        content = _content(file)
        if content["sheet"] != key.sheet:
            raise ArtifactError(
                f"{file}: verdicts on sheet {content['sheet'][:12]}, the key is of sheet {key.sheet[:12]}; "
                "read it with the key.json that was written beside its page"
            )
        rater = content["rater"].strip()
        if rater in raters:
            raise ArtifactError(
                f"{file}: rater {rater!r} has given {origins[rater]} already; keep the later file, or tell two people "
                'of one name apart by editing "rater"'
            )
        raters[rater], origins[rater] = _verdicts(file, content["verdicts"], sides), file
    return raters


def _content(file: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{file}: not JSON, perhaps cut off on its way: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ArtifactError(f'{file}: not a file that a sheet saved: expected "format": "{FORMAT}"')
    for name, kind in (("sheet", str), ("rater", str), ("verdicts", list)):
        if not isinstance(content.get(name), kind) or (name == "rater" and not content[name].strip()):
            raise ArtifactError(
                f"{file}: {name!r} is {content.get(name)!r}, expected a {kind.__name__} that is not empty"
            )
    return content


def _verdicts(file: str | Path, rows: list[Any], sides: Mapping[str, bool]) -> list[Verdict]:
    verdicts: dict[str, Verdict] = {}
    for number, row in enumerate(rows, 1):
        place = f"{file}: verdict {number}"
        if not isinstance(row, dict):
            raise RecordError("?", "verdict", f"is {row!r}, expected an object", place)
        pair_id, choice = row.get("pair"), row.get("choice")
        if not isinstance(pair_id, str) or pair_id not in sides:
            raise RecordError(str(pair_id), "pair", "is not on the sheet that the key belongs to", place)
        if pair_id in verdicts:
            raise RecordError(pair_id, "pair", "has a verdict already; a rater judges each pair once", place)
        if choice not in CHOICES:
            raise RecordError(pair_id, "choice", f"is {choice!r}, expected one of {', '.join(CHOICES)}", place)
        seconds = row.get("seconds", 0.0)
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
            raise RecordError(pair_id, "seconds", f"is {seconds!r}, expected a number that is not negative", place)
        first = None if choice == "tie" else choice == "first"
        winner: Winner = "tie" if first is None else "aligned" if first == sides[pair_id] else "base"
        verdicts[pair_id] = Verdict(pair_id, winner, first, str(row.get("at", "")), float(seconds))
    return list(verdicts.values())
