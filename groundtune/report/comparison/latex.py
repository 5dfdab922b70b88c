"""A comparison as LaTeX tables (booktabs): the key metrics, and the claim."""

from groundtune.report.comparison import rows, sentences
from groundtune.report.comparison.words import Study, key_metrics, seeds_text, titled
from groundtune.report.evaluation.latex import cell, environment, escape


def latex(study: Study) -> str:
    """Needs booktabs, T1 fonts and UTF-8."""
    parts = ["% Written by groundtune. In the preamble: \\usepackage[T1]{fontenc} \\usepackage{booktabs}"]
    parts.append(_overview(study))
    if study["verdict"]["rows"]:
        parts.append(_claim(study))
    return "\n\n".join(parts) + "\n"


def _overview(study: Study) -> str:
    body = [
        [escape(row["name"]), *(cell(one["value"], one["span"]) if one["span"] else "--" for one in row["cells"])]
        for row in rows.overview_rows(study)
    ]
    over = "pictures and seeds" if len(study["seeds"]) > 1 else "pictures"
    caption = (
        f"Key metrics, means over {seeds_text(study)}. Ranges are {study['settings']['interval']:.0%} bootstrap "
        f"intervals over {over}."
    )
    head = ["method", *(escape(titled(study, key)) for key in key_metrics(study))]
    return environment(head, body, caption, "methods")


def _claim(study: Study) -> str:
    champion = study["verdict"]["champion"]
    body = [
        [escape(row["baseline"]), *(cell(one["change"], f"{one['span']}, p {one['p']}") for one in row["cells"])]
        for row in rows.claim_rows(study)
    ]
    caption = (
        f"{sentences.headline(study)} Differences of {champion} to each baseline, paired by picture and seed; p by "
        "permutation, corrected by Holm."
    )
    head = [escape(f"{champion} against"), *(escape(title) for title in rows.claim_heads(study))]
    return environment(head, body, caption, "claim")
