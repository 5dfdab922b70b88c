"""Yes or no: readings of an answer that every yes/no benchmark reports beside its own (ours)."""

import re
from collections.abc import Sequence
from typing import ClassVar

from groundtune.benchmarks.question import Answered, Benchmark

STRICT = "strict-2: yes or no as the first word, in any case and behind any marks, else other"
P_YES = "p_yes"
_STRICT = re.compile(r"[\W_]*(yes|no)(?![^\W_])", re.IGNORECASE)


def strict_reading(answer: str) -> str:
    """ "yes" or "no" when that is the answer's first word, in any case and behind any marks, else "other"."""
    match = _STRICT.match(answer)
    return match.group(1).lower() if match else "other"


def said(answered: Answered, reading: str) -> str:
    """What was answered: official (the benchmark's own parser), strict, or p_yes (the likelier of yes and no)."""
    if reading == P_YES:
        return "other" if answered.p_yes is None else "yes" if answered.p_yes > 0.5 else "no"
    return strict_reading(answered.answer) if reading == "strict" else answered.parsed


class YesNoBenchmark(Benchmark):
    """What benchmarks of nothing but yes/no questions share. truth: "yes" or "no"; parsed: what the official parser
    reads."""

    readings: ClassVar[tuple[str, ...]] = ("official", "strict")

    def readings_of(self, answered: Sequence[Answered]) -> tuple[str, ...]:
        return readings_with_p_yes(self.readings, answered)

    def correct(self, answered: Answered) -> bool:
        return bool(answered.parsed == answered.question.truth)


def unparsed(answered: Answered, reading: str) -> float:
    """1.0 when the answer strictly says neither yes nor no, whatever the official parser makes of it."""
    said_strictly = said(answered, P_YES) if reading == P_YES else strict_reading(answered.answer)
    return float(said_strictly == "other")


def readings_with_p_yes(readings: tuple[str, ...], answered: Sequence[Answered]) -> tuple[str, ...]:
    """The readings that these answers allow: without a generated answer only p_yes, without P(yes) all but p_yes."""
    asked = [one for one in answered if one.question.kind == "yes_no"]
    scored = bool(asked) and all(one.p_yes is not None for one in asked)
    generated = not asked or any(one.generated for one in asked)
    return (readings if generated else ()) + ((P_YES,) if scored else ())
