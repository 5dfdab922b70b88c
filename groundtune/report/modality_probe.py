"""Section "probe": does the answer depend on the image? Base against aligned model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from groundtune.artifacts import Artifact
from groundtune.report.charts.figure import Format, legend
from groundtune.report.probe_charts import Panel, panels_of
from groundtune.report.probe_comparison import Compared, Figure, Key, compared_figures
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.report.wording import decimal, percent, plural, points


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
        return panels_of(self.figures)

    @property
    def key(self) -> Markup:
        return legend([("base", "base model"), ("aligned", "aligned model")])

    @property
    def findings(self) -> list[str]:
        """Readings of the figures that decide, each with its paired interval."""
        return [
            sentence
            for sentence in (
                _share_finding(self.figures, "changed_region", "only what is asked about"),
                _share_finding(self.figures, "changed_destroyed", "the whole picture"),
                _dependence_finding(self.figures),
                _sides(self.figures),
            )
            if sentence
        ]


def probe_of(run: RunArtifacts) -> Probe | None:
    """None when neither model was probed."""
    base, aligned = run.base_probe, run.aligned_probe
    shown = aligned or base
    if shown is None:
        return None
    figures, problem = compared_figures(base, aligned)
    return Probe(figures, problem, _asked(shown), list(shown.results.get("notes", [])))


def line_of(run: RunArtifacts) -> str:
    """The section in one line of plain text; "" when no model was probed."""
    probe = probe_of(run)
    if probe is None:
        return ""
    return " ".join([*probe.findings[:2], *([probe.problem] if probe.problem else [])])


def _share_finding(figures: Mapping[Key, Compared], name: str, what: str) -> str:
    found = figures.get(("question", name), Compared())
    if found.base is None or found.aligned is None:
        return ""
    before, after = percent(found.base["value"]), percent(found.aligned["value"])
    said = f"With {what} destroyed, {before} of the yes/no answers change before training and {after} after it"
    return said + _shift(found.difference, points, lambda value: decimal(100 * value, 1, sign=True))


def _dependence_finding(figures: Mapping[Key, Compared]) -> str:
    found = figures.get(("reward", "image_dependence"), Compared())
    if found.base is None or found.aligned is None:
        return ""
    said = (
        f"A chosen answer owes {decimal(found.base['value'])} nats a token to its picture before training and "
        f"{decimal(found.aligned['value'])} after it"
    )
    return said + _shift(found.difference, _signed, _signed)


def _shift(difference: Figure | None, value: Format, end: Format) -> str:
    if difference is None:
        return "."
    clear = difference["low"] > 0 or difference["high"] < 0
    interval = f"95\u202f% interval {end(difference['low'])} to {end(difference['high'])}"
    return f" ({value(difference['value'])}, {interval}{'' if clear else ': no clear change'})."


def _signed(value: float) -> str:
    return decimal(value, sign=True)


def _sides(figures: Mapping[Key, Compared]) -> str:
    text, image = (figures.get(("reward", name), Compared()).aligned for name in ("text", "image"))
    if text is None or image is None:
        return ""
    return (
        f"Training raised the log-prob of a chosen answer by {decimal(text['value'])} nats more than that of the "
        f"rejected one (the text side of the reward), and by {decimal(image['value'])} nats more under its picture "
        "than under the destroyed one (the image side)."
    )


def _asked(probe: Artifact) -> list[str]:
    results = probe.results
    said = []
    for section, noun in (("question", "yes/no question"), ("caption", "description")):
        counts = results.get(section)
        if counts:
            lost = counts["region_not_found"]
            said.append(
                plural(counts["asked"], noun) + (f" (in {lost:,} what they speak of was not found)" if lost else "")
            )
    if results.get("reward", {}).get("pairs"):
        said.append(plural(results["reward"]["pairs"], "preference pair"))
    return said
