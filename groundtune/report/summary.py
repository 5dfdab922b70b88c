"""The run in a few lines of Markdown, for the KFP UI."""

from groundtune.report import image_preferences, modality_probe, wording
from groundtune.report.flow import Flow, flow_of
from groundtune.report.outcome import Outcome, cautions, sentence
from groundtune.report.run_artifacts import RunArtifacts

_SHOWN = ("chairs", "chairi", "recall", "f1", "accuracy")


def markdown(run: RunArtifacts, outcome: Outcome, title: str) -> str:
    """Headline, before/after table, counts, and a line each of image preferences and the probe when there are any."""
    pairs = list(run.pairs.rows())
    flow = flow_of(run, list(run.scores.rows()), pairs)
    parts = [f"## {_inline(title or f'Run {run.pairs.digest[:12]}')}", f"**{_inline(sentence(outcome))}**"]
    parts += [_inline(note) for note in (*cautions(outcome), outcome.problem) if note]
    if outcome.rows:
        parts.append(_table(outcome))
    parts += [
        f"**{name}:** {_inline(line)}"
        for name, line in (
            ("Image preferences", image_preferences.line_of(run, pairs)),
            ("Image dependence", modality_probe.line_of(run)),
        )
        if line
    ]
    parts.append(_counts(flow))
    parts += [f"**Does not fit:** {_inline(problem)}" for problem in flow.problems]
    return "\n\n".join(parts) + "\n"


def _table(outcome: Outcome) -> str:
    lines = ["| benchmark | metric | base | aligned | difference | |", "|---|---|---|---|---|---|"]
    for row in outcome.rows:
        if row["metric"] not in _SHOWN or row["reading"] == "strict":
            continue
        metric, change = row["metric"], row["difference"]
        shift = "–"
        if change:
            shift = f"{wording.difference(metric, change['value'])} ({wording.span(metric, change, sign=True)})"
        lines.append(
            f"| {_inline(row['benchmark'])} | {wording.metric_words(row['benchmark'], metric)[0]} "
            f"| {_estimate(metric, row['base'])} | {_estimate(metric, row['aligned'])} | {shift} "
            f"| {row['verdict'].replace('open', 'no clear change')} |"
        )
    return "\n".join(lines)


def _estimate(metric: str, estimate: dict[str, float]) -> str:
    return f"{wording.figure(metric, estimate['value'])} ({wording.span(metric, estimate)})"


def _counts(flow: Flow) -> str:
    lines = ["| stage | in | out | dropped |", "|---|---|---|---|"]
    for stage in flow.stages:
        dropped = ", ".join(f"{wording.count(number)} {_inline(why)}" for why, number in stage.dropped) or "none"
        lines.append(f"| {stage.title} | {wording.plural(stage.given, stage.unit)} | {stage.made} | {dropped} |")
    return "\n".join(lines)


def _inline(text: str) -> str:
    """Text that comes from outside must not become markup of the UI."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
