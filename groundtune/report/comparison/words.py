"""How a comparison's figures are called and written, the same on the page, in Markdown and in LaTeX."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.report import wording
from groundtune.report.evaluation.figures import ARROWS
from groundtune.report.evaluation.words import benchmark_title
from groundtune.report.metrics import Metric, family_of, metric_of

Study = Mapping[str, Any]
_FIRST = ("chairs", "recall", "chairi")  # of CHAIR: who invents little is shown beside how much was said at all


def metric_words(study: Study, key: str) -> Metric:
    """Raises KeyError for a metric that was not measured."""
    entry = study["metrics"][key]
    return metric_of(entry["benchmark"], entry["metric"])


def title_of(study: Study, key: str) -> str:
    """ "POPE F1" of "pope/f1", "CHAIRs" of "chair/chairs"; a metric that was not measured by its own name."""
    if key not in study["metrics"]:
        return key
    name, benchmark = metric_words(study, key).name, study["metrics"][key]["benchmark"]
    return name if family_of(benchmark) == "chair" else f"{benchmark_title(benchmark)} {name}"


def titled(study: Study, key: str) -> str:
    """ "CHAIRs ↓"."""
    return f"{title_of(study, key)} {ARROWS[study['metrics'][key]['better']]}".strip()


def reading_of(study: Study, key: str) -> str:
    """ "mean of 3 splits", "" of an ordinary reading."""
    reading = str(study["metrics"][key]["reading"])
    return f"{reading} splits" if reading.startswith("mean") else "" if reading == "official" else f"{reading} reading"


def key_metrics(study: Study) -> list[str]:
    """The few that the figure and the table show: key metrics that have a better direction, a family's mean instead of
    its splits, CHAIRs and coverage first and side by side."""
    means = {entry["benchmark"] for entry in study["metrics"].values() if entry["reading"].startswith("mean")}
    found = []
    for key, entry in study["metrics"].items():
        split = family_of(entry["benchmark"]) in means and not entry["reading"].startswith("mean")
        if entry["better"] and metric_words(study, key).key and not split:
            found.append(key)

    def place(key: str) -> tuple[bool, int]:
        entry = study["metrics"][key]
        is_chair = family_of(entry["benchmark"]) == "chair" and entry["metric"] in _FIRST
        return (not is_chair, _FIRST.index(entry["metric"]) if is_chair else found.index(key))

    return sorted(found, key=place)


def number(metric: Metric, value: float, sign: bool = False) -> str:
    """ "27.5 %", "1,510.7"."""
    if metric.share:
        return wording.percent(value, 1, sign)
    return wording.minus(f"{value:{'+' if sign else ''},.{metric.digits}f}")


def span(metric: Metric, estimate: Mapping[str, float], sign: bool = False) -> str:
    """ "21.3 to 33.6", without the unit."""
    return " to ".join(number(metric, estimate[end], sign).removesuffix("\u202f%") for end in ("low", "high"))


def change(metric: Metric, value: float) -> str:
    """A difference: points of shares."""
    return wording.points(value) if metric.share else number(metric, value, sign=True)


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def seeds_text(study: Study) -> str:
    """ "3 seeds (0, 1, 2)"."""
    seeds = study["seeds"]
    return f"{wording.plural(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"


def whole(value: float) -> str:
    """ "24,000"; a number that is no whole one with one digit."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.1f}"


def setting_value(curve: str, value: float) -> str:
    """A place on a curve: shares as percentages, other values as they are."""
    return f"{value * 100:g}\u202f%" if "share" in curve.casefold() else f"{value:g}"
