"""A comparison as Markdown, for a pipeline's UI and for documentation."""

from collections.abc import Sequence

from groundtune.report import wording
from groundtune.report.comparison import particulars, rows, sentences
from groundtune.report.comparison.words import Study, key_metrics, seeds_text, titled
from groundtune.report.evaluation.markdown import inline


def markdown(study: Study, title: str = "") -> str:
    """Verdict, cautions, the claim's table, the table of key metrics, budgets. Works on data read back from JSON."""
    parts = [f"## {inline(title)}"] if title else []
    parts += [f"**{inline(sentences.headline(study))}**", inline(sentences.explanation(study))]
    parts += [inline(text)] if (text := sentences.efficiency_sentence(study)) else []
    parts += ["\n".join(f"- {inline(text)}" for text in found)] if (found := sentences.cautions(study)) else []
    if study["verdict"]["rows"]:
        parts += ["### The claim", claim_table(study)]
    parts += ["### Key metrics", overview_table(study)]
    if any(method["variant"] for method in study["methods"]):
        parts += ["### Variants", overview_table(study, variants=True)]
    parts += ["### Budgets", budget_table(study), inline(_legend(study))]
    if shared := particulars.common(study):
        told = "; ".join(f"{section}: {text}" for section, text in shared)
        parts.append(inline(f"All methods share, beside the defaults: {told}."))
    return "\n\n".join(parts) + "\n"


def claim_table(study: Study) -> str:
    """Champion minus baseline, with Holm's p and the outcome."""
    lines = [[f"{study['verdict']['champion']} against", *rows.claim_heads(study)]]
    for row in rows.claim_rows(study):
        cells = [f"{one['change']} ({one['span']}), p {one['p']}, {one['outcome']}" for one in row["cells"]]
        lines.append([row["baseline"], *cells])
    return _table(lines)


def overview_table(study: Study, variants: bool = False) -> str:
    """Means over seeds with intervals, a method a row."""
    lines = [["method", *(titled(study, key) for key in key_metrics(study))]]
    for row in rows.overview_rows(study, variants):
        cells = [f"{one['value']} ({one['span']})" if one["span"] else one["value"] for one in row["cells"]]
        lines.append([row["name"], *cells])
    return _table(lines)


def budget_table(study: Study) -> str:
    """What each method learnt from, means over seeds."""
    lines = [["method", *(particulars.budget_title(name) for name in particulars.budget_heads(study))]]
    for row in particulars.budget_rows(study):
        lines.append([row["name"], *(f"{o['value']} ({o['span']})" if o["span"] else o["value"] for o in row["cells"])])
    return _table(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    safe = [[inline(cell) for cell in line] for line in lines]
    safe.insert(1, ["---"] * len(safe[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in safe)


def _legend(study: Study) -> str:
    return (
        f"↑ higher is better, ↓ lower. Means over {seeds_text(study)}. In brackets: "
        f"{wording.percent(study['settings']['interval'], 0)} intervals, bootstrap over pictures"
        f"{' and seeds' if len(study['seeds']) > 1 else ''}; differences are paired by picture and seed; p by "
        "permutation, corrected by Holm."
    )
