"""The gate: is the challenger better than the champion, and nothing that it should not be?

CHAIR alone would promote a model that says nothing. So rules come in three kinds: what must improve, what may not fall
(against the champion, and against the base model, from which small steps add up), and what a model does that has found
a short way: it says yes or no to everything, or less and less. Ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.benchmarks.comparison import compare
from groundtune.errors import SettingError
from groundtune.promotion.measurable import of_families
from groundtune.settings import GateSettings

CHAMPION, BASE = "champion", "base model"
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One thing that was asked. asked, found: in words."""

    asked: str
    found: str
    holds: bool


@dataclass(frozen=True)
class GateVerdict:
    """rules: in the order of the settings. champion, challenger, base: digests of their answers. figures: of these
    three, "chair/chairs" -> {"value", "low", "high", "better"}."""

    rules: tuple[Rule, ...]
    champion: str
    challenger: str
    base: str
    figures: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def promote(self) -> bool:
        return all(rule.holds for rule in self.rules)

    @property
    def reasons(self) -> list[str]:
        """What failed; when nothing did, what was found."""
        failed = [f"{rule.asked}: {rule.found}" for rule in self.rules if not rule.holds]
        return failed or [f"{rule.asked}: {rule.found}" for rule in self.rules]

    @property
    def sentence(self) -> str:
        failed = sum(not rule.holds for rule in self.rules)
        if self.promote:
            return f"Promote: all {len(self.rules)} rules hold."
        return f"Keep the champion: {failed} of {len(self.rules)} rules {'does' if failed == 1 else 'do'} not hold."

    def markdown(self) -> str:
        lines = [f"**{self.sentence}**", "", "| rule | found | |", "| --- | --- | --- |"]
        lines += [f"| {rule.asked} | {rule.found} | {'holds' if rule.holds else '**fails**'} |" for rule in self.rules]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "promote": self.promote,
            "sentence": self.sentence,
            "rules": [vars(rule) for rule in self.rules],
            "answers": {"champion": self.champion, "challenger": self.challenger, "base": self.base},
        }


def decide(
    champion: Artifact,
    challenger: Artifact,
    base: Artifact,
    settings: GateSettings,
    prompts: Artifact | None = None,
) -> GateVerdict:
    """champion, challenger, base: `answers` artifacts of the same questions. Where nobody is champion yet, the base
    model is. prompts: what the challenger was made from, whose rejected rows count too. Raises ArtifactError when they
    were not asked alike, SettingError for a rule about what was not measured.
    """
    from_champion, from_base = _Measured(champion, challenger, CHAMPION), _Measured(base, challenger, BASE)
    rules = [_improves(from_champion, key, settings.minimum_effect) for key in settings.must_improve]
    for measured, limits, name in (
        (from_champion, settings.may_fall, "may_fall"),
        (from_base, settings.may_fall_from_base, "may_fall_from_base"),
    ):
        rules += [_does_not_fall(measured, key, limit, name) for key, limit in limits.items()]
    for measured in (from_champion, from_base):
        rules += [_says_yes_alike(measured, row, settings.max_yes_shift) for row in measured.yes_shares()]
    words = [_words(one) for one in (challenger, champion, base)]
    if words[0] is not None:
        for name, others in ((CHAMPION, words[1]), (BASE, words[2])):
            rules.append(_says_enough(words[0], others or 0.0, name, settings.min_words_share))
    rules.append(_few_rejected(challenger, "questions", settings.max_rejected_share))
    if prompts is not None:
        rules.append(_few_rejected(prompts, "new rows", settings.max_rejected_share))
    figures = {
        "champion": from_champion.figures("base"),
        "challenger": from_champion.figures("aligned"),
        "base": from_base.figures("base"),
    }
    return GateVerdict(tuple(rules), champion.digest, challenger.digest, base.digest, figures)


class _Measured:
    """The paired differences challenger - other, of the published reading, a family's mean beside its splits."""

    def __init__(self, other: Artifact, challenger: Artifact, name: str):
        self.name = name
        self.rows: dict[str, _Row] = {}
        for row in compare(other, challenger)["rows"]:
            key = f"{row['benchmark']}/{row['metric']}"
            self.rows.setdefault(key, row)  # the first reading is the published one
        self._only_splits = {
            f"{family}/{metric}": row
            for family, metric in of_families(sorted({str(row["benchmark"]) for row in self.rows.values()}))
            for row in self.rows.values()
            if row["metric"] == metric and str(row["benchmark"]).startswith(f"{family}_")
        }

    def row(self, key: str, setting: str) -> _Row:
        row = self.rows.get(key) or self._only_splits.get(key)
        if row is None or not row["better"]:
            known = ", ".join(sorted(name for name, row in self.rows.items() if row["better"]))
            raise SettingError(setting, key, f"a metric with a better direction that was measured: {known}", "gate")
        return row

    def figures(self, side: str) -> dict[str, dict[str, Any]]:
        """side: "base", the other one, or "aligned", the challenger."""
        return {key: {**row[side], "better": row["better"]} for key, row in self.rows.items()}

    def yes_shares(self) -> list[_Row]:
        """Of every benchmark with yes/no questions; a family's mean says nothing that its splits do not."""
        return [
            row
            for row in self.rows.values()
            if row["metric"] == "yes_ratio" and not str(row["reading"]).startswith("mean")
        ]


def _gain(row: _Row) -> tuple[float, float, float]:
    """(value, low, high) of how much better the challenger is."""
    found = row["difference"]
    if row["better"] == "higher":
        return found["value"], found["low"], found["high"]
    return -found["value"], -found["high"], -found["low"]


def _improves(measured: _Measured, key: str, least: float) -> Rule:
    value, low, _ = _gain(measured.row(key, "must_improve"))
    by = f" by at least {least:g}" if least else ""
    return Rule(f"{key} is better than the {measured.name}'s{by}", _said(measured, key), low > 0.0 and value >= least)


def _does_not_fall(measured: _Measured, key: str, limit: float, setting: str) -> Rule:
    if limit < 0.0:
        raise SettingError(setting, {key: limit}, "how much worse it may be: a number from 0", "gate")
    _, low, _ = _gain(measured.row(key, setting))
    return Rule(f"{key} is at most {limit:g} worse than the {measured.name}'s", _said(measured, key), low >= -limit)


def _says_yes_alike(measured: _Measured, row: _Row, limit: float) -> Rule:
    asked = f"{row['benchmark']}: the share of yes is within {limit:g} of the {measured.name}'s"
    return Rule(asked, _figures(row), abs(row["difference"]["value"]) <= limit)


def _says_enough(words: float, others: float, name: str, share: float) -> Rule:
    asked = f"a caption has at least {share:g} of the {name}'s words"
    return Rule(asked, f"{words:.1f} against {others:.1f}", words >= share * others)


def _few_rejected(source: Artifact, what: str, limit: float) -> Rule:
    rejected, asked = int(source.manifest["rejected"]), int(source.manifest["rows_in"])
    share = rejected / asked if asked else 1.0
    return Rule(f"at most {limit:.1%} of the {what} were rejected", f"{rejected} of {asked}", share <= limit)


def _said(measured: _Measured, key: str) -> str:
    return _figures(measured.row(key, ""))


def _figures(row: _Row) -> str:
    """ "0.150 against 0.275 (-0.125, -0.180 to -0.070)"."""
    difference = row["difference"]
    return (
        f"{row['aligned']['value']:.3f} against {row['base']['value']:.3f} "
        f"({difference['value']:+.3f}, {difference['low']:+.3f} to {difference['high']:+.3f})"
    )


def _words(answers: Artifact) -> float | None:
    """Mean number of words of the captions, None when none were asked for."""
    counts = [len(str(row["answer"]).split()) for row in answers.rows() if row["kind"] == "caption"]
    return sum(counts) / len(counts) if counts else None
