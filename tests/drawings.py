"""Is a committed SVG the one that today's code draws? Machines differ in a number's last digit."""

import re

import pytest

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def assert_same_drawing(kept: str, drawn: str, how: str, tolerance: float = 1e-3) -> None:
    """Everything but numbers to the letter, numbers within `tolerance` units. how: what to do when it is not."""
    assert _NUMBER.split(kept) == _NUMBER.split(drawn), how
    one, two = ([float(number) for number in _NUMBER.findall(text)] for text in (kept, drawn))
    assert one == pytest.approx(two, abs=tolerance, rel=0.0), how
