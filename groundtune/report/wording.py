"""How numbers and names are written for people: true minus signs, percent with a narrow space, metrics in words."""

from collections.abc import Mapping

from groundtune.report.metrics import digits_of, is_share, metric_of

FALLBACKS = {  # column `fallback` of image_pairs: why the whole image was destroyed
    "no_keyword": "the answer names no thing",
    "not_found": "none of the keywords was found",
    "empty_mask": "the keywords were found, but no pixel of them",
    "whole_image": "the keywords cover nearly the whole image",
}


def metric_words(benchmark: str, metric: str) -> tuple[str, str]:
    """(short name, explanation) of a metric; the explanation is "" for a metric that `metrics` does not know."""
    found = metric_of(benchmark, metric)
    return found.name, found.meaning


def minus(text: str) -> str:
    """Hyphens that stand before digits become minus signs."""
    return text.replace("-", "−")


def decimal(value: float, digits: int = 2, sign: bool = False) -> str:
    """ "−0.21"; never "−0.00"."""
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return minus(text)


def percent(value: float, digits: int = 1, sign: bool = False) -> str:
    """0.587 -> "58.7 %", with a narrow no-break space."""
    return f"{decimal(value * 100, digits, sign)}\u202f%"


def points(value: float) -> str:
    """A difference of two shares: "−51.4 points"."""
    return f"{decimal(value * 100, 1, sign=True)}\u202fpoints"


def figure(metric: str, value: float) -> str:
    """A metric's value: a percentage, or for lengths and points a plain number."""
    return percent(value) if is_share(metric) else decimal(value, digits_of(metric))


def span(metric: str, estimate: Mapping[str, float], sign: bool = False) -> str:
    """The interval of an estimate: "54.1 to 63.2"."""
    scale, digits = (100, 1) if is_share(metric) else (1, digits_of(metric))
    return f"{decimal(estimate['low'] * scale, digits, sign)} to {decimal(estimate['high'] * scale, digits, sign)}"


def difference(metric: str, value: float) -> str:
    """Aligned minus base: points for shares, plain for the rest."""
    return points(value) if is_share(metric) else decimal(value, digits_of(metric), sign=True)


def count(value: float) -> str:
    """ "1,200"."""
    return f"{int(value):,}"


def plural(number: int, noun: str) -> str:
    """ "1 pair", "803 pairs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def reason(code: str) -> str:
    """ "gap_below_margin" -> "gap below margin"."""
    return code.replace("_", " ")


def fallback(code: str) -> str:
    """Why a whole image was destroyed instead of regions of it."""
    return FALLBACKS.get(code, reason(code))


def difficulties(stages: int) -> list[str]:
    """Names of a curriculum's stages, from the easiest to the hardest."""
    if stages == 3:
        return ["easy", "medium", "hard"]
    names = [f"stage {number}" for number in range(1, stages + 1)]
    return [f"{names[0]}, easiest", *names[1:-1], f"{names[-1]}, hardest"] if stages > 1 else names
