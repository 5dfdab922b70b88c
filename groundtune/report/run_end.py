"""How a run ended: one page and a few lines of Markdown, from what its stages wrote down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from groundtune.report.page import environment
from groundtune.tracking.ledger import StageNote
from groundtune.tracking.redaction import scrub

_TEMPLATE = "run_end.html.jinja"
_FIGURES = 4  # of a stage, on the page; all of them are in MLflow and in the manifests


class StageLine(NamedTuple):
    """One stage, its shards taken together. status: FINISHED, FAILED or KILLED. seconds: of all shards."""

    name: str
    status: str
    done: int
    shards: int
    seconds: float
    figures: list[tuple[str, str]]
    errors: list[str]


@dataclass
class RunEnd:
    """status: FINISHED, FAILED or KILLED. error: the orchestrator's message. unfinished: names of artifacts below
    `kept_at` that are half done. troubles: what could not be read or written while closing."""

    title: str
    status: str
    error: str = ""
    stages: Sequence[StageNote] = ()
    unfinished: Sequence[str] = ()
    kept_at: str = ""
    troubles: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[StageLine]:
        """Stages of which at least one shard did not end well."""
        return [line for line in self.lines if line.status != "FINISHED"]

    @property
    def reason(self) -> str:
        """What the first stage that failed said, else the orchestrator; "" for a run that ended well."""
        if self.status == "FINISHED":
            return ""
        for line in self.failed:
            if line.errors:
                return f"{line.name}: {line.errors[0]}"
        return scrub(self.error) or "no stage said why: look at the pods of the tasks that failed"

    @property
    def sentence(self) -> str:
        """The end of the run in one line."""
        if self.status == "FINISHED":
            return f"finished: {_counted(len(self.lines), 'stage')} ran"
        word = "was stopped" if self.status == "KILLED" else "failed"
        return f"{word} after {_counted(len(self.lines) - len(self.failed), 'stage')}: {self.reason}"

    @property
    def lines(self) -> list[StageLine]:
        """Stages in the order in which they ended, shards together."""
        together: dict[str, list[StageNote]] = {}
        for note in self.stages:
            together.setdefault(note.stage, []).append(note)
        return [_line(name, notes) for name, notes in together.items()]


def write_run_end(end: RunEnd, page: str | Path, summary: str | Path) -> None:
    """Write the page (HTML, nothing fetched) and the summary (Markdown)."""
    text = environment().get_template(_TEMPLATE).render(end=end, clock=_clock)
    for place, content in ((Path(page), text), (Path(summary), _markdown(end))):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)


def _line(name: str, notes: list[StageNote]) -> StageLine:
    bad = [note for note in notes if note.status != "FINISHED"]
    figures = notes[0].figures if notes[0].shard[1] == 1 else _summed(notes)
    return StageLine(
        name,
        "KILLED" if bad and all(note.status == "KILLED" for note in bad) else "FAILED" if bad else "FINISHED",
        len(notes) - len(bad),
        max(note.shard[1] for note in notes),
        sum(note.seconds for note in notes),
        [(figure.replace("_", " "), _number(value)) for figure, value in list(figures.items())[:_FIGURES]],
        [note.error for note in bad if note.error],
    )


def _summed(notes: list[StageNote]) -> dict[str, float]:
    """Counts of all shards; means and rates do not add up, and are left out."""
    names = [name for name in notes[0].figures if all(note.figures.get(name, 0.5).is_integer() for note in notes)]
    return {name: sum(note.figures[name] for note in notes) for name in names}


def _markdown(end: RunEnd) -> str:
    lines = [f"**{end.title}** {end.sentence}", ""]
    if end.lines:
        lines += ["| stage | status | shards | time |", "|---|---|---|---|"]
        lines += [
            f"| {line.name} | {line.status.lower()} | {line.done}/{line.shards} | {_clock(line.seconds)} |"
            for line in end.lines
        ]
    lines += [f"- {trouble}" for trouble in end.troubles]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.3g}"


def _clock(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
