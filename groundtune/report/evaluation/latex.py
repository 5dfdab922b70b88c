"""Evaluations as LaTeX tables (booktabs), one a benchmark: \\input the file, nothing else is needed."""

from collections.abc import Sequence

from groundtune.report.evaluation.figures import Figures, Group, Line
from groundtune.report.evaluation.preference import Preference
from groundtune.report.evaluation.published import PUBLISHED, Published, PublishedTable
from groundtune.report.evaluation.words import (
    benchmark_title,
    change,
    counts_text,
    number,
    p_value,
    reading_title,
    span,
)

_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "−": "$-$", "–": "--", "→": r"$\rightarrow$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×": r"$\times$", "\u202f": r"\,", "\u00a0": "~",
    "“": "``", "”": "''", "’": "'",
}  # fmt: skip


def latex(
    figures: Figures, published: Published, *, details: bool = False, preference: Preference | None = None
) -> str:
    """One `table` a benchmark and reading, the judge's preference, then published rows beside measured ones. details:
    also categories and readings beside the first. Needs booktabs, T1 fonts and UTF-8, which LaTeX reads by itself since
    2018."""
    parts = [
        "% Written by groundtune. In the preamble: \\usepackage[T1]{fontenc} \\usepackage{booktabs}",
    ]
    for group in figures.groups:
        lines = [line for line in group.lines if details or not line.detailed]
        if lines and (details or group.first):
            parts.append(_table(figures, group, lines))
    parts += [_preference(preference)] if preference and preference.rates else []
    parts += [_published(table) for table in published.tables]
    return "\n\n".join(parts) + "\n"


def _table(figures: Figures, group: Group, lines: Sequence[Line]) -> str:
    paired = any(line.difference for line in lines)
    head = ["metric", *(escape(model) for model in figures.models), *(["difference", "$p$"] if paired else [])]
    rows = []
    for line in lines:
        row = [escape(f"{line.words.name} {line.arrow}".strip())]
        for index, model in enumerate(figures.models):
            figure = line.figures[index]
            if figure is None:
                row.append("refused" if model in line.refused else "--")
            else:
                row.append(cell(number(line, figure["value"]), span(line, figure)))
        if paired and line.difference:
            row += [
                cell(change(line), span(line, line.difference, sign=True)),
                escape(p_value(line.difference["p"])),
            ]
        elif paired:
            row += ["--", "--"]
        rows.append(row)
    title = f"{benchmark_title(group.benchmark)}, {reading_title(group)}"
    notes = [counts_text(group)] if counts_text(group) else []
    notes.append(f"Ranges are {figures.interval:.0%} bootstrap intervals over pictures")
    notes += [f"{line.words.name} of {model} refused: {why}" for line in lines for model, why in line.refused.items()]
    return environment(head, rows, f"{title}. {'. '.join(notes)}.", f"{group.benchmark}-{group.reading}")


def _preference(preference: Preference) -> str:
    rows = [[escape(rate.name), cell(rate.value, rate.span), escape(rate.p) or "--"] for rate in preference.rates]
    judge = "; ".join(f"{name}: {value}" for name, value in preference.judge[:3])
    caption = (
        f"Preference by a judge. {preference.tally} {preference.bias} Ranges are "
        f"{preference.interval:.0%} bootstrap intervals over pictures; each pair was judged in both orders, "
        f"ties count half. {judge}."
    )
    return environment(["", "", "$p$"], rows, caption, "preference")


def _published(table: PublishedTable) -> str:
    head = ["", "model", *(escape(column) for column in table.columns)]
    rows: list[list[str]] = []
    for row in table.rows:
        kind = row.kind if row.kind == PUBLISHED else rf"\textbf{{{row.kind}}}"
        rows.append([kind, escape(row.model), *(escape(cell) or "--" for cell in row.cells)])
    return environment(
        head, rows, f"{table.title}, published and measured. {' '.join(table.notes)}", f"{table.title}-published"
    )


def environment(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str) -> str:
    """A whole `table`. head, rows: escaped cells; caption: plain text."""
    safe = "".join(character if character.isascii() and character.isalnum() else "-" for character in label.lower())
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{tab:{safe}}}",
            rf"\begin{{tabular}}{{l{'l' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def cell(value: str, interval: str) -> str:
    """A value with its range behind it in small print."""
    return rf"{escape(value)} {{\scriptsize ({escape(interval)})}}"


def escape(text: str) -> str:
    """Text as LaTeX prints it; line breaks and runs of spaces become one space."""
    return " ".join("".join(_ESCAPED.get(character, character) for character in text).split())
