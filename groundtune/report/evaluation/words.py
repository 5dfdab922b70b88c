"""How figures of evaluations are written, the same in Markdown, LaTeX and HTML."""

from collections.abc import Mapping

from groundtune.report import wording
from groundtune.report.evaluation.figures import Estimate, Figures, Group, Line
from groundtune.report.metrics import family_of

_TITLES = {
    "pope": "POPE",
    "mme": "MME",
    "amber": "AMBER",
    "chair": "CHAIR",
    "object_halbench": "Object HalBench",
    "mmhal": "MMHal-Bench",
    "llava_bench": "LLaVA-Bench",
    "ift": "IFT",
    "human_preference": "Human Pref.",
}
_OFFICIAL = "official"


def benchmark_title(name: str) -> str:
    """ "POPE, popular" of pope_popular; a name that is not known stays as it is."""
    family = family_of(name)
    split = name.removeprefix(family).removeprefix("_").replace("_", " ")
    title = _TITLES.get(family, family)
    return f"{title}, {split}" if split else title


def reading_title(group: Group) -> str:
    """ "mean of 3 splits", "official reading", "strict reading"."""
    return f"{group.reading} splits" if group.mean else f"{group.reading.replace('_', ' ')} reading"


def is_official(group: Group) -> bool:
    return group.mean or group.reading == _OFFICIAL


def number(line: Line, value: float, sign: bool = False) -> str:
    """A value in the metric's unit: "27.5 %", "1,510.7", "2.07"."""
    if line.words.share:
        return wording.percent(value, 1, sign)
    text = f"{value:{'+' if sign else ''},.{line.words.digits}f}"
    return wording.minus(text.lstrip("+-") if float(text.replace(",", "")) == 0 else text)


def span(line: Line, estimate: Estimate | Mapping[str, float], sign: bool = False) -> str:
    """ "21.3 to 33.6", without the unit."""
    return " to ".join(number(line, estimate[end], sign).removesuffix("\u202f%") for end in ("low", "high"))


def change(line: Line) -> str:
    """Second minus first: points for shares."""
    if line.difference is None:
        return ""
    value = line.difference["value"]
    return wording.points(value) if line.words.share else number(line, value, sign=True)


def p_value(value: float) -> str:
    return "<\u00a00.001" if value < 0.001 else wording.decimal(value, 3)


def verdict(line: Line) -> str:
    if line.verdict in ("better", "worse"):
        return line.verdict
    return "no clear change" if line.better and line.verdict else ""


def refused_of(figures: Figures) -> list[tuple[str, str, str]]:
    """(benchmark and metric, models, why) of every metric that was refused."""
    found: dict[tuple[str, str], list[str]] = {}
    for group in figures.groups:
        for line in group.lines:
            for model, why in line.refused.items():
                found.setdefault((f"{benchmark_title(group.benchmark)}, {line.words.name}", why), []).append(model)
    return [(what, " and ".join(models), why) for (what, why), models in found.items()]


def counts_text(group: Group) -> str:
    """ "3,000 questions on 500 pictures, 2 left out"; of several models the first that was asked, and where they
    differ, each."""
    texts = [
        f"{wording.plural(counts['questions'], 'question')} on {wording.plural(counts['images'], 'picture')}"
        + (f", {counts['excluded']:,} left out" if counts["excluded"] else "")
        for counts in group.counts
        if counts
    ]
    return "; ".join(dict.fromkeys(texts))
