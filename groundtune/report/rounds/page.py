"""The page of all rounds, and its charts as files; from their records alone."""

from groundtune.report.charts.standalone import standalone
from groundtune.report.comparison.page import chart_file
from groundtune.report.page import environment
from groundtune.report.rounds import figure, rows, words

TITLE = "Rounds of retraining"
_SHOWN = 20


def render(stories: words.Stories, title: str = "") -> str:
    """The HTML text; the same records give the same bytes."""
    decided = words.last_decided(stories)
    return environment().get_template("rounds.html.jinja").render(
        title=title or TITLE,
        count=words.rounds_text(stories),
        champion=words.version(words.champion_now(stories)),
        state=stories[-1].state if stories else "",
        kind=words.KINDS[stories[-1].state] if stories else "",
        headline=words.headline(stories),
        explanation=words.explanation(stories),
        cautions=words.cautions(stories),
        tiles=rows.tiles(stories),
        charts=list(figure.charts(stories).values()),
        key=figure.key(stories),
        scores=rows.scores(stories),
        lineage=rows.lineage(stories),
        metrics=[metric.title for metric in words.key_metrics(stories)],
        rules=rows.rules(stories),
        decided=decided,
        verdict=decided.record.verdict.get("sentence", "") if decided and decided.record else "",
        arrivals=rows.arrivals(stories),
        drift=list(rows.drift_names(stories).values()),
        limits=(rows.STABLE, rows.SHIFT),
        shown=_SHOWN,
    )  # fmt: skip


def drawings(stories: words.Stories) -> dict[str, str]:
    """File name -> SVG, every chart of the page with its colours inside."""
    made = environment()
    sheets = [made.get_template(name).render() for name in ("comparison.css", "rounds.css")]
    style = "\n".join([str(made.globals["style"]), *sheets])
    return {chart_file(key): standalone(chart, style) for key, (_, _, chart) in figure.charts(stories).items()}
