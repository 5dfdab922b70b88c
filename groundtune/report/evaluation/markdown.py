"""Evaluations as Markdown: headline, a table a benchmark, refused metrics, published rows."""

from collections.abc import Sequence

from groundtune.report.evaluation.figures import Figures, Group, Line
from groundtune.report.evaluation.preference import Preference
from groundtune.report.evaluation.published import PUBLISHED, Published, PublishedTable
from groundtune.report.evaluation.words import (
    benchmark_title,
    change,
    counts_text,
    is_official,
    number,
    p_value,
    reading_title,
    refused_of,
    span,
    verdict,
)


def markdown(
    figures: Figures,
    published: Published,
    title: str,
    headline: str = "",
    *,
    details: bool = True,
    preference: Preference | None = None,
    warning: str = "",
) -> str:
    """The whole as one document. details: also categories ("existence.f1") and readings beside the first. warning: a
    sentence that a reader must see first."""
    parts = [f"## {inline(title)}"] if title else []
    parts += [f"**{inline(headline)}**"] if headline else []
    parts += [inline(text) for text in (figures.problem, warning) if text]
    for group in figures.groups:
        lines = [line for line in group.lines if details or not line.detailed]
        if lines and (details or group.first):
            parts.append(f"### {inline(benchmark_title(group.benchmark))}: {inline(reading_title(group))}")
            parts += [counts] if (counts := inline(counts_text(group))) else []
            parts.append(_table(figures, group, lines))
    parts += [_preference(preference)] if preference else []
    parts += [_refused(figures)] if _refused(figures) else []
    parts += [_published(table) for table in published.tables]
    parts += ["\n".join(f"- {inline(why)}" for why in published.absent)] if published.absent else []
    parts.append(_legend(figures))
    return "\n\n".join(parts) + "\n"


def _table(figures: Figures, group: Group, lines: Sequence[Line]) -> str:
    paired = any(line.difference for line in lines)
    head = ["metric", *(inline(model) for model in figures.models)]
    head += ["difference", "p", "verdict"] if paired else []
    rows = [head, ["---"] * len(head)]
    for line in lines:
        row = [f"{inline(line.words.name)} {line.arrow}".strip()]
        row += [_figure(line, index, model) for index, model in enumerate(figures.models)]
        if paired and line.difference:
            row += [
                f"{change(line)} ({span(line, line.difference, sign=True)})",
                p_value(line.difference["p"]).replace("<", "&lt;"),
            ]
            row += [verdict(line) or "–"]
        elif paired:
            row += ["–", "–", "–"]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _figure(line: Line, index: int, model: str) -> str:
    figure = line.figures[index]
    if figure is None:
        return "refused" if model in line.refused else "–"
    return f"{number(line, figure['value'])} ({span(line, figure)})"


def _refused(figures: Figures) -> str:
    rows = [f"- {inline(what)}, {inline(models)}: {inline(why)}" for what, models, why in refused_of(figures)]
    return "\n".join(["**Refused**, never replaced by another rule:", "", *rows]) if rows else ""


def _preference(preference: Preference) -> str:
    rows = [["", "", "p"], ["---"] * 3]
    for rate in preference.rates:
        rows.append([inline(rate.name), f"{rate.value} ({rate.span})", rate.p.replace("<", "&lt;") or "–"])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    judge = "\n".join(f"- {inline(name)}: {inline(value)}" for name, value in preference.judge)
    text = inline(f"{preference.sentence} {preference.tally} {preference.bias}")
    return "\n\n".join(["### Preference by a judge", text, *([table] if preference.rates else []), judge])


def _published(table: PublishedTable) -> str:
    head = ["", "model", *table.columns, "source"]
    rows = [head, ["---"] * len(head)]
    for row in table.rows:
        mark = row.kind if row.kind == PUBLISHED else f"**{row.kind}**"
        rows.append([mark, inline(row.model), *(inline(cell) or "–" for cell in row.cells), inline(row.source) or "–"])
    notes = " ".join(inline(note) for note in table.notes)
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"### {inline(table.title)}: published and measured\n\n{body}\n\n{notes}"


def _legend(figures: Figures) -> str:
    text = f"↑ higher is better, ↓ lower. In brackets: {figures.interval:.0%} intervals, bootstrap over pictures."
    if figures.rows:
        text += " Differences are paired by picture; p by permutation, not corrected for the number of rows."
    if any(not is_official(group) for group in figures.groups):
        text += " Readings other than the official one read the same answers by another rule."
    return text


def inline(text: str) -> str:
    """Text that comes from outside must not become markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|#~":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
