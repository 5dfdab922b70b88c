"""The page of a comparison, and its charts as files; from plain data alone."""

from markupsafe import Markup

from groundtune.report.charts.figure import legend
from groundtune.report.charts.standalone import standalone
from groundtune.report.comparison import particulars, rows, sentences
from groundtune.report.comparison.figures import curve_charts, method_charts
from groundtune.report.comparison.words import Study, key_metrics, seeds_text, titled
from groundtune.report.page import environment


def render(study: Study, title: str = "") -> str:
    """The HTML text; the same data gives the same bytes."""
    verdict = study["verdict"]
    return environment().get_template("comparison.html.jinja").render(
        title=title or f"Comparison of {len(study['methods'])} methods",
        study=study,
        seeds=seeds_text(study),
        kind=sentences.KINDS[verdict["state"]],
        headline=sentences.headline(study),
        explanation=sentences.explanation(study),
        efficiency=sentences.efficiency_sentence(study),
        cautions=sentences.cautions(study),
        margin=sentences.margin_text(study),
        claim_heads=rows.claim_heads(study),
        claim=rows.claim_rows(study),
        heads=[titled(study, key) for key in key_metrics(study)],
        overview=rows.overview_rows(study),
        variants=rows.overview_rows(study, variants=True),
        metric_tables=rows.metric_tables(study),
        charts=list(method_charts(study).values()),
        charts_key=_key(study),
        curves=[(name, legend(lines), list(charts.values())) for name, lines, charts in curve_charts(study)],
        budget_heads=[particulars.budget_title(name) for name in particulars.budget_heads(study)],
        budgets=particulars.budget_rows(study),
        presets=particulars.presets(study),
        provenance=particulars.provenance(study),
    )  # fmt: skip


def drawings(study: Study) -> dict[str, str]:
    """File name -> SVG, every chart of the page with its colours inside."""
    made = environment()
    style = str(made.globals["style"]) + made.get_template("comparison.css").render()
    found = {chart_file(key): chart for key, (_, _, chart) in method_charts(study).items()}
    for curve, _, charts in curve_charts(study):
        found |= {chart_file(curve, key): chart for key, (_, _, chart) in charts.items()}
    return {name: standalone(chart, style) for name, chart in found.items()}


def _key(study: Study) -> Markup:
    verdict = study["verdict"]
    kinds = {method["name"]: method for method in study["methods"] if not method["variant"]}
    entries = [("champion", verdict["champion"])] if verdict["champion"] in kinds else []
    entries += [("rival", "its baselines")] if set(verdict["baselines"]) & set(kinds) else []
    entries += [("other", "other methods")] if set(kinds) - {verdict["champion"], *verdict["baselines"]} else []
    return legend(entries)


def chart_file(*names: str) -> str:
    """Of a metric's chart, or of a curve's and a metric's: a name that any file system takes."""
    plain = ("".join(one if one.isascii() and one.isalnum() else "-" for one in name.lower()) for name in names)
    return f"{'-'.join(name.strip('-') for name in plain)}.svg"
