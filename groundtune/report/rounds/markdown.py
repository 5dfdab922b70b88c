"""Rounds as Markdown, for a pipeline's UI and MLflow."""

from groundtune.report import wording
from groundtune.report.evaluation.markdown import inline
from groundtune.report.rounds import rows
from groundtune.report.rounds.words import Stories, cautions, explanation, headline, key_metrics

_SHOWN = 12  # MLflow shows 5,000 characters


def markdown(stories: Stories, title: str = "") -> str:
    """Headline, why, cautions and a table of the last rounds, the newest first."""
    parts = [f"## {inline(title)}"] if title else []
    parts += [f"**{inline(headline(stories))}**", inline(explanation(stories))]
    parts += ["\n".join(f"- {inline(text)}" for text in found)] if (found := cautions(stories)) else []
    if stories:
        parts.append(_table(stories))
    if earlier := len(stories[:-_SHOWN]):
        parts.append(f"{wording.plural(earlier, 'earlier round')} {'is' if earlier == 1 else 'are'} on the page.")
    return "\n\n".join(parts) + "\n"


def _table(stories: Stories) -> str:
    metrics = key_metrics(stories)
    key = f"{metrics[0].title}, champion → challenger" if metrics else "champion → challenger"
    lines = [["round", "new rows", "pairs", "held against", "challenger", "decision", key, "warnings"]]
    for row, story in list(zip(rows.lineage(stories), reversed(stories), strict=True))[:_SHOWN]:
        cells = [row[name] for name in ("rows", "pairs", "held", "challenger", "state", "key")]
        lines.append([str(row["number"]), *cells, rows.drift_warning(story)])
    safe = [[inline(cell) for cell in line] for line in lines]
    safe.insert(1, ["---"] * len(safe[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in safe)
