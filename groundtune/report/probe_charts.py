"""Charts of the probe, in words a stranger understands."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from groundtune.report.charts.dot_rows import DotRow, dot_rows
from groundtune.report.charts.figure import Format, tick_text
from groundtune.report.probe_comparison import Compared, Figure, Key
from groundtune.report.wording import decimal, percent


@dataclass(frozen=True)
class Panel:
    title: str
    caption: str
    chart: Markup


def _whole_percent(value: float) -> str:
    return percent(value, 0)


def _times(value: float) -> str:
    return f"{decimal(value)}\u202f×"


@dataclass(frozen=True)
class Chart:
    """rows: (figure, words). format: of the values; ticks, limits, reference: as of dot_rows."""

    title: str
    caption: str
    axis: str
    rows: tuple[tuple[Key, str], ...]
    format: Format = decimal
    ticks: Format = tick_text
    limits: tuple[float, float] | None = None
    reference: float = 0.0


_DAMAGE = (
    ("region", "only what it is about is destroyed"),
    ("destroyed", "the whole picture is destroyed"),
    ("removed", "the picture is replaced by plain grey"),
)
CHARTS = (
    Chart(
        "Yes/no answers that change",
        "share of the answers; every question is about something that is in the picture",
        "answers that change",
        tuple((("question", f"changed_{view}"), words) for view, words in _DAMAGE),
        _whole_percent,
        _whole_percent,
        (0.0, 1.0),
    ),
    Chart(
        "Probability of “yes” that is lost",
        "of the same questions, whose right answer is yes; 0: no doubt arises",
        "fall of the probability",
        tuple((("question", f"p_yes_drop_{view}"), words) for view, words in _DAMAGE),
        _whole_percent,
        _whole_percent,
    ),
    Chart(
        "Words of a description that stay",
        "content words that both descriptions share, of those that either has; less is more dependence",
        "words that stay",
        tuple((("caption", f"kept_{view}"), words) for view, words in _DAMAGE),
        _whole_percent,
        _whole_percent,
        (0.0, 1.0),
    ),
    Chart(
        "What the picture adds to an answer’s probability",
        "log-prob under the true picture less that under the destroyed one, nats a token",
        "nats a token",
        (
            (("reward", "image_dependence"), "chosen answers of the pairs"),
            (("reward", "image_dependence_rejected"), "rejected answers of the pairs"),
        ),
    ),
    Chart(
        "The two sides of the reward",
        "what training added to the chosen answer, nats a pair (without beta)",
        "nats",
        (
            (("reward", "text"), "text: over the rejected answer"),
            (("reward", "image"), "image: over itself under the destroyed picture"),
        ),
    ),
    Chart(
        "Attention on what is asked about",
        "that a patch inside the region gets, relative to an average patch of the picture; 1: no preference",
        "times the average",
        ((("attention", "region_lift"), "before the first word of the answer"),),
        _times,
        reference=1.0,
    ),
)


def panels_of(figures: Mapping[Key, Compared]) -> list[Panel]:
    """Charts of the figures that there are."""
    drawn = ((chart, _drawn(chart, figures)) for chart in CHARTS)
    return [Panel(chart.title, chart.caption, figure) for chart, figure in drawn if figure is not None]


def _drawn(chart: Chart, figures: Mapping[Key, Compared]) -> Markup | None:
    rows = []
    for key, words in chart.rows:
        found = figures.get(key, Compared())
        marks: list[tuple[str, str, Figure]] = []
        if found.base is not None:
            marks.append(("base model", "base", found.base))
        if found.aligned is not None:
            marks.append(("aligned model", "aligned", found.aligned))
        if marks:
            rows.append(DotRow(words, marks))
    if not rows:
        return None
    return dot_rows(
        chart.title, chart.axis, rows, chart.format, ticks=chart.ticks, limits=chart.limits, reference=chart.reference
    )
