"""Section "preference": which model's answers a judge prefers, how far its verdicts can be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from groundtune.artifacts import Artifact
from groundtune.errors import ArtifactError
from groundtune.images import ImageStore
from groundtune.report import wording
from groundtune.report.charts.intervals import difference_strip
from groundtune.report.evaluation.figures import Estimate
from groundtune.report.evaluation.identity import text_of
from groundtune.report.evaluation.judge import judge_entries
from groundtune.report.evaluation.judged_pairs import Judged, judged_pairs
from groundtune.report.evaluation.words import p_value


@dataclass(frozen=True)
class Rate:
    """One figure in words. span, p: "" without them."""

    name: str
    value: str
    span: str
    p: str
    meaning: str


@dataclass(frozen=True)
class Preference:
    """models: names of base and aligned. win_rate: {"value", "low", "high", "p"}, None when no pair was judged.
    first_place: {"value", "low", "high"}, share of the decided verdicts that went to the first answer. rates: the win
    rate, then what it hangs on. judge: who judged. interval: coverage."""

    models: tuple[str, str]
    win_rate: Mapping[str, float] | None
    first_place: Mapping[str, float] | None
    rates: list[Rate]
    counts: Mapping[str, int]
    judge: list[tuple[str, str]]
    examples: list[Judged]
    interval: float

    @property
    def verdict(self) -> str:
        """ "better" or "worse" when the interval does not hold one half, else "open"."""
        if self.win_rate is None or self.win_rate["low"] <= 0.5 <= self.win_rate["high"]:
            return "open"
        return "better" if self.win_rate["low"] > 0.5 else "worse"

    @property
    def sentence(self) -> str:
        base, aligned = self.models
        if self.win_rate is None:
            return "No pair got a verdict in both orders."
        return {
            "better": f"The judge prefers the answers of {aligned}.",
            "worse": f"The judge prefers the answers of {base}.",
        }.get(self.verdict, f"The judge shows no clear preference between {base} and {aligned}.")

    @property
    def bias(self) -> str:
        """A sentence when the place of an answer clearly mattered to the judge, else ""."""
        place = self.first_place
        if place is None or place["low"] <= 0.5 <= place["high"]:
            return ""
        favoured = "first" if place["low"] > 0.5 else "second"
        return (
            f"The judge favours whichever answer stands {favoured}: asking in both orders evens that out, at the price "
            "of a win rate nearer to 50 % than the answers deserve."
        )

    @property
    def tally(self) -> str:
        """ "40 pairs: 25 for aligned, 10 ties, 5 for base." and what there is to add."""
        base, aligned = self.models
        wins, ties, losses = (self.counts[name] for name in ("wins", "ties", "losses"))
        counted = f"{wins:,} for {aligned}, {wording.plural(ties, 'tie')}, {losses:,} for {base}"
        return f"{wording.plural(self.counts['pairs'], 'pair')}: {counted}. {self.note}".strip()

    @property
    def note(self) -> str:
        """What the three counts do not tell, "" for nothing."""
        same, unjudged = self.counts["identical"], self.counts["unjudged"]
        notes = [f"{same:,} of the ties are equal answers, which the judge was not asked about."] if same else []
        if unjudged:
            notes.append(f"{wording.plural(unjudged, 'pair')} without a readable verdict, in no rate.")
        return " ".join(notes)


def preference_of(
    pairwise: Artifact, base: Artifact | None, model: Artifact, images_root: str, names: tuple[str, str]
) -> Preference:
    """A `judgements` artifact as shown. base: None when only `model` is on the page; both answers are in `pairwise`.

    Raises ArtifactError for another kind, or for judgements of other answers than these.
    """
    _check(pairwise, base, model)
    results = pairwise.results
    identity = results["identity"]
    judge = [
        ("judge, asked for", text_of(identity.get("judge") or "unknown")),
        *judge_entries({**identity.get("served", {}), **results.get("usage", {})}),
        ("prompt", str(identity.get("prompt", ""))),
        ("told of the picture", "what the benchmark’s truth says" if identity.get("with_reference") else "nothing"),
    ]
    store = ImageStore(images_root, attached=(base or model).files)
    return Preference(
        models=names,
        win_rate=results.get("win_rate"),
        first_place=results.get("first_place"),
        rates=_rates(results, names),
        counts={name: int(results[name]) for name in ("pairs", "judged", "unjudged", "identical")}
        | {name: int(results[name]) for name in ("wins", "ties", "losses")},
        judge=judge,
        examples=judged_pairs(pairwise, model, store, names),
        interval=identity["interval"],
    )


def strip_of(preference: Preference) -> Markup:
    """The win rate around one half, for the page; empty without one."""
    rate = preference.win_rate
    if rate is None:
        return Markup()
    around = {end: rate[end] - 0.5 for end in ("value", "low", "high")}
    title = f"win rate {wording.percent(rate['value'])}, the dashed line is 50 %"
    return difference_strip(title, around, 0.5, preference.verdict)


def _check(pairwise: Artifact, base: Artifact | None, model: Artifact) -> None:
    if pairwise.kind != "judgements":
        raise ArtifactError(f"{pairwise.path}: holds {pairwise.kind!r}, expected a comparison's 'judgements'")
    for name, one in (("base", base), ("aligned", model)):
        judged = pairwise.manifest["parents"].get(name)
        if one is not None and judged != one.digest:
            raise ArtifactError(
                f"{pairwise.path}: prefers among other answers than {one.path}: its {name} is {judged}, expected "
                f"{one.digest}; judge these answers"
            )


def _rates(results: Mapping[str, Any], names: tuple[str, str]) -> list[Rate]:
    if "win_rate" not in results:
        return []
    said = {
        "win_rate": (f"win rate of {names[1]}", "each pair judged in both orders, ties half; 50 % is no preference"),
        "flipped": ("verdict changes with the order", "of the judged pairs; 0 % for a judge that never does"),
        "first_place": (
            "first place wins",
            "of the verdicts that prefer one answer; 50 % when the place does not matter",
        ),
    }
    return [
        Rate(
            name, wording.percent(results[key]["value"]), wording.span("win_rate", results[key]), _p(results[key]), why
        )
        for key, (name, why) in said.items()
    ]


def _p(estimate: Estimate) -> str:
    return p_value(estimate["p"]) if "p" in estimate else ""
