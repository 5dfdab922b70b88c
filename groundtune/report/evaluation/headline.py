"""What an evaluation says first: one sentence, a count of what changed, and the key figures."""

from groundtune.report import outcome as outcomes
from groundtune.report import wording
from groundtune.report.evaluation import words
from groundtune.report.evaluation.figures import Figures, key_lines
from groundtune.report.evaluation.preference import Preference

_TILES = 8


def headline_of(figures: Figures) -> str:
    """One sentence: of two models the change that matters most, of one how much was asked."""
    if len(figures.models) == 2:
        outcome = outcomes.outcome_of_rows(figures.rows, figures.problem, figures.interval)
        row = outcome.headline
        if row is None and figures.problem:
            return "The two evaluations cannot be compared: whether alignment helped is open."
        if row is None or row["metric"] == "chairs":
            return outcomes.sentence(outcome)
        name = f"{words.benchmark_title(row['benchmark'])} {wording.metric_words(row['benchmark'], row['metric'])[0]}"
        said = {"better": f"{name} improved.", "worse": f"{name} got worse."}
        return said.get(row["verdict"], f"No clear change: the difference in {name} could be chance.")
    asked = sum(counts["questions"] for group in figures.groups if group.first for counts in group.counts if counts)
    names = dict.fromkeys(words.benchmark_title(group.benchmark) for group in figures.groups if not group.mean)
    return f"{wording.plural(asked, 'answer')} on {wording.plural(len(names), 'benchmark')}."


def tally_of(figures: Figures) -> str:
    """ "Of 9 key figures 3 got better, 1 worse; 5 show no clear change." """
    verdicts = [line.verdict for _, line in key_lines(figures) if line.verdict]
    if len(verdicts) < 2:
        return "" if verdicts else figures.problem
    counted = {name: verdicts.count(name) for name in ("better", "worse", "open")}
    return (
        f"Of {wording.plural(len(verdicts), 'key figure')} {counted['better']} got better, {counted['worse']} worse; "
        f"{counted['open']} show no clear change."
    )


def tiles_of(figures: Figures, preference: Preference | None = None) -> list[dict[str, str]]:
    """The first key figures; the last place is the judge's preference's when there is one."""
    tiles = []
    rate = preference.rates[0] if preference and preference.rates else None
    for group, line in key_lines(figures)[: _TILES - bool(rate)]:
        figure = line.figures[-1]
        if figure is None:
            continue
        before = line.figures[0] if len(line.figures) > 1 else None
        detail = f"{words.number(line, before['value'])} before" if before else words.span(line, figure)
        if line.verdict:
            detail += f", {words.verdict(line)}"
        tiles.append(
            {
                "name": f"{words.benchmark_title(group.benchmark)}: {line.words.name} {line.arrow}",
                "value": words.number(line, figure["value"]),
                "detail": detail,
                "verdict": line.verdict,
            }
        )
    if preference and rate:
        verdict = {"better": "better", "worse": "worse"}.get(preference.verdict, "no clear preference")
        tiles.append(
            {"name": f"By a judge: {rate.name}", "value": rate.value, "detail": f"{rate.span}, {verdict}",
             "verdict": preference.verdict}
        )  # fmt: skip
    return tiles
