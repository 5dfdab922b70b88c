"""Section "probe": does the answer depend on the image? Base against aligned model, in words a stranger understands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from groundtune.artifacts import Artifact
from groundtune.errors import ArtifactError
from groundtune.report.charts.dot_rows import DotRow, dot_rows
from groundtune.report.charts.figure import Format, legend
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.report.wording import decimal, percent, plural, points

Figure = Mapping[str, float]
Key = tuple[str, str]  # section and name of a figure, as in the manifest of a probe


def _whole_percent(value: float) -> str:
    return percent(value, 0)


def _times(value: float) -> str:
    return f"{decimal(value)}\u202f×"


@dataclass(frozen=True)
class _Chart:
    """rows: (figure, words). limits, reference: as of dot_rows."""

    title: str
    caption: str
    axis: str
    rows: tuple[tuple[Key, str], ...]
    format: Format = decimal
    limits: tuple[float, float] | None = None
    reference: float = 0.0


_DAMAGE = (
    ("region", "only what it is about is destroyed"),
    ("destroyed", "the whole picture is destroyed"),
    ("removed", "the picture is replaced by plain grey"),
)
_CHARTS = (
    _Chart(
        "Yes/no answers that change",
        "share of the answers; every question is about something that is in the picture",
        "answers that change",
        tuple((("question", f"changed_{view}"), words) for view, words in _DAMAGE),
        _whole_percent,
        (0.0, 1.0),
    ),
    _Chart(
        "Doubt about “yes”",
        "how far the probability of “yes” falls, in points; above 0, the model saw something",
        "fall of P(yes)",
        tuple((("question", f"p_yes_drop_{view}"), words) for view, words in _DAMAGE),
        _whole_percent,
    ),
    _Chart(
        "Words of a description that stay",
        "content words that both descriptions share, of those that either has; less is more dependence",
        "words that stay",
        tuple((("caption", f"kept_{view}"), words) for view, words in _DAMAGE),
        _whole_percent,
        (0.0, 1.0),
    ),
    _Chart(
        "What the picture adds to an answer’s probability",
        "log-prob under the true picture less that under the destroyed one, nats a token",
        "nats a token",
        (
            (("reward", "image_dependence"), "chosen answers of the pairs"),
            (("reward", "image_dependence_rejected"), "rejected answers of the pairs"),
        ),
    ),
    _Chart(
        "The two sides of the reward",
        "what training added to the chosen answer, nats a pair (without beta)",
        "nats",
        (
            (("reward", "text"), "text: over the rejected answer"),
            (("reward", "image"), "image: over itself under the destroyed picture"),
        ),
    ),
    _Chart(
        "Attention on what is asked about",
        "of a part of the picture inside the region, relative to an average part; 1: no preference",
        "times the average",
        ((("attention", "region_lift"), "before the first word of the answer"),),
        _times,
        reference=1.0,
    ),
)


@dataclass(frozen=True)
class Compared:
    """One figure of the probes. base or aligned is None when that model has none; difference: aligned - base, paired,
    None when the two were not compared."""

    base: Figure | None = None
    aligned: Figure | None = None
    difference: Figure | None = None


@dataclass(frozen=True)
class Panel:
    title: str
    caption: str
    chart: Markup


@dataclass(frozen=True)
class Probe:
    """figures: by section and name. problem: why nothing is compared, "" when it is. asked: what was asked, in words.
    notes: what was not measured, and why."""

    figures: dict[Key, Compared]
    problem: str = ""
    asked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def panels(self) -> list[Panel]:
        """Charts of the figures that there are."""
        return [
            Panel(chart.title, chart.caption, drawn)
            for chart in _CHARTS
            if (drawn := _drawn(chart, self.figures)) is not None
        ]

    @property
    def key(self) -> Markup:
        return legend([("base", "base model"), ("aligned", "aligned model")])

    @property
    def findings(self) -> list[str]:
        """Readings of the figures that decide, each with its paired interval."""
        return [
            sentence
            for sentence in (
                _finding(self.figures, ("question", "changed_region"), _ASKED_REGION, percent, points),
                _finding(self.figures, ("question", "changed_destroyed"), _ASKED_WHOLE, percent, points),
                _finding(self.figures, ("reward", "image_dependence"), _DEPENDENCE, decimal, _signed),
                _sides(self.figures),
            )
            if sentence
        ]


_ASKED_REGION = "Answers that change when only what is asked about is destroyed"
_ASKED_WHOLE = "Answers that change when the whole picture is destroyed"
_DEPENDENCE = "What the picture adds to the log-prob of a chosen answer, in nats a token"


def probe_of(run: RunArtifacts) -> Probe | None:
    """None when neither model was probed. What cannot be compared is shown with the reason, not left out."""
    base, aligned = run.base_probe, run.aligned_probe
    shown = aligned or base
    if shown is None:
        return None
    figures, problem = _figures(base, aligned)
    for name in ("text", "image"):  # a model without an adapter has no rewards, so there is nothing to compare
        if aligned is not None and (reward := aligned.results.get("reward", {}).get(name)):
            figures["reward", name] = Compared(aligned=reward)
    return Probe(figures, problem, _asked(shown), list(shown.results.get("notes", [])))


def _figures(base: Artifact | None, aligned: Artifact | None) -> tuple[dict[Key, Compared], str]:
    if base is not None and aligned is not None:
        from groundtune.benchmarks.modality_probe.comparison import compare_probes

        try:
            return {
                (one.section, one.name): Compared(
                    one.base.as_dict(), one.aligned.as_dict(), one.difference.as_dict()
                )
                for one in compare_probes(base, aligned)
            }, ""
        except ArtifactError as error:
            problem = f"No paired differences: {error}"
    else:
        missing = "base" if base is None else "aligned"
        problem = f"The {missing} model was not probed, so there is nothing to compare."
    before, after = (_own(probe) for probe in (base, aligned))
    return {key: Compared(before.get(key), after.get(key)) for key in {**before, **after}}, problem


def _own(probe: Artifact | None) -> dict[Key, Figure]:
    """The figures of one probe's manifest."""
    sections = probe.results if probe else {}
    return {
        (section, name): figure
        for section, figures in sections.items()
        if isinstance(figures, Mapping)
        for name, figure in figures.items()
        if isinstance(figure, Mapping) and "value" in figure
    }


def _drawn(chart: _Chart, figures: Mapping[Key, Compared]) -> Markup | None:
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
    return dot_rows(chart.title, chart.axis, rows, chart.format, limits=chart.limits, reference=chart.reference)


def _finding(
    figures: Mapping[Key, Compared], key: Key, words: str, value: Format, change: Format
) -> str:
    found = figures.get(key, Compared())
    if found.base is None or found.aligned is None:
        return ""
    said = f"{words}: {value(found.base['value'])} before training, {value(found.aligned['value'])} after"
    if found.difference is None:
        return f"{said}."
    shift = found.difference
    clear = shift["low"] > 0 or shift["high"] < 0
    interval = f"{change(shift['value'])}, 95\u202f% interval {change(shift['low'])} to {change(shift['high'])}"
    return f"{said} ({interval}{'' if clear else ': no clear change'})."


def _signed(value: float) -> str:
    return decimal(value, sign=True)


def _sides(figures: Mapping[Key, Compared]) -> str:
    text, image = (figures.get(("reward", name), Compared()).aligned for name in ("text", "image"))
    if text is None or image is None:
        return ""
    return (
        f"Training raised the log-prob of a chosen answer by {decimal(text['value'])} nats more than that of the "
        f"rejected one (the text side of the reward), and by {decimal(image['value'])} nats more under its picture than "
        "under the destroyed one (the image side)."
    )


def _asked(probe: Artifact) -> list[str]:
    results = probe.results
    said = []
    for section, noun in (("question", "yes/no question"), ("caption", "description")):
        counts = results.get(section)
        if counts:
            lost = counts["region_not_found"]
            said.append(
                plural(counts["asked"], noun) + (f" ({lost:,} without a region: not found)" if lost else "")
            )
    if results.get("reward", {}).get("pairs"):
        said.append(plural(results["reward"]["pairs"], "preference pair"))
    return said
