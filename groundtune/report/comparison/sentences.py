"""The verdict in plain sentences: what was claimed, what was found, what to be careful about."""

from collections.abc import Mapping
from typing import Any

from groundtune.comparison.verdict import FAILS, HOLDS, NOT_COMPARABLE, NOT_MEASURED, OPEN
from groundtune.report import wording
from groundtune.report.comparison.words import Study, change, listed, metric_words, setting_value, span, title_of, whole
from groundtune.report.metrics import Metric

_NAMED = 3  # comparisons that a headline names
_FEW = 4  # seeds; with fewer, how seeds vary is guessed from too little
# state -> colour of the verdict on the page
KINDS = {HOLDS: "better", FAILS: "worse", OPEN: "open", NOT_COMPARABLE: "open", NOT_MEASURED: "open"}
BUDGET_NAMES = {"pairs": "pairs", "answer_tokens": "answer tokens"}


def headline(study: Study) -> str:
    """One sentence."""
    verdict = study["verdict"]
    champion, baselines = verdict["champion"], verdict["baselines"]
    metrics = listed([title_of(study, key) for key in verdict["metrics"]])
    rows = verdict["rows"]
    if not baselines:
        return f"No claim: nothing was named that {champion} is held against."
    if verdict["state"] == NOT_MEASURED:
        return f"No verdict: {listed([title_of(study, key) for key in verdict['missing']])} not measured."
    if verdict["state"] == NOT_COMPARABLE:
        names = listed([one["baseline"] for one in verdict["unequal"]])
        return f"Not comparable: {champion} and {names} did not learn from the same budget."
    if verdict["state"] == FAILS:
        worse: dict[str, list[str]] = {}
        for row in rows:
            if row["outcome"] == "worse":
                worse.setdefault(row["baseline"], []).append(title_of(study, row["metric"]))
        return f"{champion} is worse than {listed([f'{name} on {listed(on)}' for name, on in worse.items()])}."
    of_all = f"each of its {len(baselines)} baselines" if len(baselines) > 1 else listed(baselines)
    if verdict["state"] == HOLDS:
        return f"{champion} is at least as good as {of_all} on {metrics}, at equal budget."
    unsure = [f"{row['baseline']} on {title_of(study, row['metric'])}" for row in rows if not row["at_least_as_good"]]
    if len(unsure) <= _NAMED:
        return f"Not shown: {champion} may be more than {margin_text(study)} worse than {listed(unsure)}."
    return (
        f"Not shown: in {len(unsure)} of {len(rows)} comparisons {champion} may be more than {margin_text(study)} "
        "worse than its baseline."
    )


def explanation(study: Study) -> str:
    """How the rows of the verdict add up."""
    verdict, settings = study["verdict"], study["settings"]
    rows = verdict["rows"]
    if not rows:
        return "The differences to the base model below are all that can be said."
    counted = {name: sum(row["outcome"] == name for row in rows) for name in ("better", "worse", "open")}
    within = sum(row["at_least_as_good"] for row in rows)
    return (
        f"Of {wording.plural(len(rows), 'comparison')} {counted['better']} better, {counted['worse']} worse, "
        f"{counted['open']} without a certain difference; {within} at least as good, which means that the whole "
        f"{wording.percent(settings['interval'], 0)} interval is at most {margin_text(study)} on the wrong side."
    )


def margin_text(study: Study) -> str:
    """The margin of non-inferiority: "1 point" of shares, "0.01" of metrics in units of their own, else both."""
    margin, metrics = study["verdict"]["margin"], study["verdict"]["metrics"]
    points = f"{margin * 100:g} {'point' if margin == 0.01 else 'points'}"
    shares = {metric_words(study, key).share for key in metrics if key in study["metrics"]}
    if shares == {False}:
        return f"{margin:g}"
    return points if False not in shares else f"{margin:g} ({points} of a share)"


def efficiency_sentence(study: Study) -> str:
    """How few pairs reach a baseline's result, "" where no curve asked."""
    found = study["efficiency"]
    if not found:
        return ""
    champion, target = study["verdict"]["champion"], found["target"]
    claimed = setting_value(found["curve"], found["claimed"])
    if found["least"] is None:
        return f"{champion} is not shown to reach {target}’s result with any share of the pairs (claim: {claimed})."
    least = setting_value(found["curve"], found["least"])
    word = "as claimed" if found["holds"] else "which is later than claimed"
    return f"{champion} is shown to reach {target}’s result from {least} of the pairs on, {word} (at most {claimed})."


def cautions(study: Study) -> list[str]:
    """What a reader must know before believing the headline, the weightiest first."""
    verdict, seeds = study["verdict"], study["seeds"]
    found = [_budget(study, one) for one in verdict["unequal"]]
    if len(seeds) == 1:
        found.append("One seed: the intervals are over pictures alone and say nothing of how another seed turns out.")
    elif len(seeds) < _FEW:
        found.append(f"{len(seeds)} seeds: how seeds vary is estimated from few, the intervals are approximate.")
    quieter = [row for row in verdict["coverage"] if row["difference"]["high"] < 0]
    found += [f"{verdict['champion']} says less than {row['baseline']}: {_difference(study, row)}." for row in quieter]
    return found + _silent(study)


def _silent(study: Study) -> list[str]:
    """Who names less than the base model; variants are left to their curves."""
    shown = [method["name"] for method in study["methods"] if not method["variant"]]
    found: dict[str, list[str]] = {}
    for one in study["verdict"]["says_less"]:
        if one["method"] in shown:
            lost = change(metric_words(study, one["metric"]), one["difference"]["value"])
            found.setdefault(one["metric"], []).append(f"{one['method']} ({lost})")
    return [
        f"Less is said than by the base model, which lowers CHAIR by itself: {title_of(study, metric)} of "
        f"{listed(names)}."
        for metric, names in found.items()
    ]


def _difference(study: Study, row: Mapping[str, Any]) -> str:
    metric: Metric = metric_words(study, row["metric"])
    found = row["difference"]
    return f"{title_of(study, row['metric'])} {change(metric, found['value'])} ({span(metric, found, sign=True)})"


def _budget(study: Study, one: Mapping[str, Any]) -> str:
    champion = study["verdict"]["champion"]
    if not one["budget"]:
        return f"{champion} and {one['baseline']} report no budget that both have: nobody can say that it was equal."
    mine, theirs = (listed([whole(value) for value in dict.fromkeys(one[side])]) for side in ("champion", "other"))
    return (
        f"{BUDGET_NAMES[one['budget']].capitalize()}: {champion} learnt from {mine}, {one['baseline']} from {theirs}, "
        f"which differs by more than {wording.percent(study['verdict']['budget_tolerance'], 0)}."
    )
