"""How rounds are told: headline, versions and the metrics that are worth showing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundtune.report import wording
from groundtune.report.comparison.words import number, span
from groundtune.report.evaluation.figures import ARROWS
from groundtune.report.evaluation.words import benchmark_title
from groundtune.report.metrics import Metric, family_of, metric_of
from groundtune.rounds.intake import FAILED
from groundtune.rounds.record import PROMOTED, REFUSED, RUNNING, RoundRecord, RoundStory

Stories = Sequence[RoundStory]
KINDS = {PROMOTED: "better", REFUSED: "", FAILED: "worse", RUNNING: ""}  # class of a state's colour
_SHOWN = 4


@dataclass(frozen=True)
class KeyMetric:
    """key: "chair/chairs". better: "higher" or "lower"."""

    key: str
    better: str
    words: Metric

    @property
    def name(self) -> str:
        """ "CHAIRs", "POPE F1"."""
        benchmark = self.key.partition("/")[0]
        return self.words.name if family_of(benchmark) == "chair" else f"{benchmark_title(benchmark)} {self.words.name}"

    @property
    def title(self) -> str:
        return f"{self.name} {ARROWS[self.better]}"

    def value(self, estimate: dict[str, Any] | None) -> str:
        return number(self.words, estimate["value"]) if estimate else "–"

    def span(self, estimate: dict[str, Any] | None) -> str:
        return span(self.words, estimate) if estimate else ""


def last_decided(stories: Stories) -> RoundStory | None:
    return next((story for story in reversed(stories) if story.record), None)


def key_metrics(stories: Stories) -> list[KeyMetric]:
    """At most four that the last decided round measured: what had to improve, what may not fall, then key metrics."""
    decided = last_decided(stories)
    if decided is None or decided.record is None:
        return []
    record = decided.record
    challenger = record.figures.get("challenger", {})
    better = {key: one["better"] for key, one in record.figures.get("champion", {}).items() if key in challenger}
    found = [KeyMetric(key, way, metric_of(*_parts(key))) for key, way in better.items() if way in ("higher", "lower")]
    return sorted(found, key=lambda metric: _place(metric, record, set(better)))[:_SHOWN]


def _place(metric: KeyMetric, record: RoundRecord, measured: set[str]) -> int:
    asked = [rule["asked"] for rule in record.verdict.get("rules", [])]
    for place, words in enumerate(("is better than", "is at most")):
        if any(text.startswith(f"{metric.key} {words} ") for text in asked):
            return place
    benchmark, name = _parts(metric.key)
    family = family_of(benchmark)
    split = benchmark != family and f"{family}/{name}" in measured
    return 2 if metric.words.key and not split else 3


def _parts(key: str) -> tuple[str, str]:
    benchmark, _, name = key.partition("/")
    return benchmark, name


def version(name: str) -> str:
    """ "version 3", "the base model" of ""."""
    return f"version {name}" if name else "the base model"


def champion_now(stories: Stories) -> str:
    """The version that the rounds left as champion, "" for the base model."""
    decided = last_decided([story for story in stories if story.state in (PROMOTED, REFUSED)])
    if decided is None or decided.record is None:
        return ""
    return decided.record.challenger if decided.state == PROMOTED else decided.record.champion


def headline(stories: Stories) -> str:
    if not stories:
        return "No rounds yet, nothing is decided"
    last, now = stories[-1], champion_now(stories)
    record, name = last.record, f"Round {last.number}"
    if last.state == PROMOTED and record:
        return f"{name}: promoted, {version(now)} is champion after {version(record.champion)}"
    if last.state == RUNNING and record:
        found = "passed" if record.promote else "did not pass"
        return f"{name}: decided and not ended, {version(record.challenger)} {found}"
    if last.state == RUNNING:
        decided = last_decided(stories)
        return f"{name} is running, {_stands(now, 'is') if decided else 'nothing is decided yet'}"
    return f"{name}: {last.state}, {_stands(now, 'stays')}"


def _stands(now: str, verb: str) -> str:
    return f"{version(now)} {verb} {'champion' if now else 'in use'}"


def explanation(stories: Stories) -> str:
    """Why the last round ended so."""
    if not stories:
        return "A round begins when enough prompts have arrived; this page is written again after each that decides."
    last = stories[-1]
    if last.state == FAILED:
        return f"{sentence(last.why) or 'No reason was given.'} The next round takes its rows."
    if last.record is None:
        return f"Begun {clock(last.begun)}." if last.state == RUNNING else sentence(last.why) or "It has no challenger."
    return " ".join([last.record.verdict.get("sentence", ""), why(last), _changes(stories, last.record)]).strip()


def why(story: RoundStory) -> str:
    """The first reason against a round's challenger, or what a failed round failed of; "" when nothing did."""
    if story.state == FAILED or story.record is None:
        return sentence(story.why)
    failed = [rule for rule in story.record.verdict.get("rules", []) if not rule["holds"]]
    return sentence(f"{failed[0]['asked']}: {failed[0]['found']}") if failed else ""


def _changes(stories: Stories, record: RoundRecord) -> str:
    """ "CHAIRs 27.5 % → 21.3 %." of a challenger that passed."""
    metrics = key_metrics(stories)
    return f"{metrics[0].name} {step(metrics[0], record)}." if record.promote and metrics else ""


def step(metric: KeyMetric, record: RoundRecord | None) -> str:
    """Champion → challenger."""
    if record is None:
        return "–"
    before, after = (record.figures.get(who, {}).get(metric.key) for who in ("champion", "challenger"))
    return f"{metric.value(before)} → {metric.value(after)}" if before or after else "–"


def cautions(stories: Stories) -> list[str]:
    """The last decided round's warnings, and what makes rounds hard to compare."""
    decided = last_decided(stories)
    if decided is None or decided.record is None:
        return []
    found = [f"Round {decided.number}: {text}" for text in decided.record.warnings]
    changed = [metric.name for metric in key_metrics(stories) if len(_base_values(stories, metric)) > 1]
    if changed:
        found.append(
            f"The base model's {', '.join(changed)} changed between rounds: it was not asked the same questions, "
            "so compare within a round only."
        )
    return found


def _base_values(stories: Stories, metric: KeyMetric) -> set[str]:
    figures = [story.record.figures.get("base", {}).get(metric.key) for story in stories if story.record]
    return {metric.value(one) for one in figures if one}


def sentence(text: str) -> str:
    """One line that ends as a sentence does."""
    text = " ".join(text.split())
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def clock(at: str) -> str:
    """ "2026-11-22 10:03", UTC."""
    return at[:16].replace("T", " ")


def rounds_text(stories: Stories) -> str:
    """ "4 rounds: 2 promoted, 1 refused, 1 failed"."""
    counts = {state: sum(story.state == state for story in stories) for state in KINDS}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{wording.plural(len(stories), 'round')}: {told}" if told else "no rounds"
