"""How numbers and names are written for people: true minus signs, percent with a narrow space, metrics in words."""

from collections.abc import Mapping

# metric -> (short name, what it is); a metric that is not here is shown by its own name.
METRICS: dict[str, tuple[str, str]] = {
    "chairs": ("CHAIRs", "answers that name an object which is not there, of those that name any"),
    "chairs_all": ("CHAIRs, all answers", "answers that name an object which is not there, of all answers"),
    "chairi": ("CHAIRi", "named objects that are not there"),
    "recall": ("coverage", "objects of the picture that the answers name"),
    "words": ("words", "mean length of an answer"),
    "objects": ("objects", "mean number of named objects an answer"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "accuracy": ("accuracy", "right answers"),
    "precision": ("precision", "said yes and it was there"),
    "yes_ratio": ("yes ratio", "share of answers that say yes"),
    "unparsed": ("unparsed", "answers that say neither yes nor no"),
}
NOT_SHARES = frozenset({"words", "objects"})
FALLBACKS = {  # column `fallback` of image_pairs: why the whole image was destroyed
    "no_keyword": "the answer names no thing",
    "not_found": "none of the keywords was found",
    "empty_mask": "the keywords were found, but no pixel of them",
    "whole_image": "the keywords cover nearly the whole image",
}
_POPE = {"recall": ("recall", "of what is there, how much was answered with yes")}


def metric_words(benchmark: str, metric: str) -> tuple[str, str]:
    """(short name, explanation) of a metric; the explanation is "" for a metric that this page does not know."""
    if benchmark.startswith("pope") and metric in _POPE:
        return _POPE[metric]
    return METRICS.get(metric, (metric, ""))


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
    """A metric's value: a percentage, or for lengths a plain number."""
    return decimal(value, 1) if metric in NOT_SHARES else percent(value)


def span(metric: str, estimate: Mapping[str, float], sign: bool = False) -> str:
    """The interval of an estimate: "54.1 to 63.2"."""
    scale = 1 if metric in NOT_SHARES else 100
    return f"{decimal(estimate['low'] * scale, 1, sign)} to {decimal(estimate['high'] * scale, 1, sign)}"


def difference(metric: str, value: float) -> str:
    """Aligned minus base: points for shares, plain for lengths."""
    return decimal(value, 1, sign=True) if metric in NOT_SHARES else points(value)


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
