"""The gate: what is let through, what is not, and why it says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.artifacts import Artifact
from groundtune.errors import ArtifactError, SettingError
from groundtune.promotion.gate import GateVerdict, decide
from groundtune.promotion.measurable import check_rules
from groundtune.settings import GateSettings
from tests.unit.comparison.worlds import PROTOCOL, Skill, evaluation

IMAGES = 120
NEVER = -1.0  # a chance that no picture's difficulty lifts above 0
BASE = Skill(0.5, 1.0, NEVER, 0.0)
BETTER = Skill(0.1, 1.0, NEVER, 0.0)


@pytest.fixture
def answers(tmp_path: Path) -> Any:
    def answered(folder: str, skill: Skill, images: int = IMAGES, **given: Any) -> Artifact:
        return evaluation(tmp_path / folder, skill, 0, images, **given)

    return answered


def judged(answers: Any, challenger: Skill, champion: Skill = BASE, **settings: Any) -> GateVerdict:
    base = answers("base", BASE)
    held = base if champion is BASE else answers("champion", champion)
    return decide(held, answers("challenger", challenger), base, GateSettings(**settings))


def failed(verdict: GateVerdict) -> list[str]:
    return [rule.asked for rule in verdict.rules if not rule.holds]


def test_a_better_challenger_is_promoted_and_every_rule_is_told(answers: Any) -> None:
    verdict = judged(answers, BETTER)
    assert verdict.promote and failed(verdict) == []
    text = verdict.markdown()
    assert text.startswith(f"**Promote: all {len(verdict.rules)} rules hold.**")
    assert text.count("| holds |") == len(verdict.rules)
    assert json.loads(json.dumps(verdict.as_dict()))["promote"] is True
    assert verdict.reasons[0].startswith("chair/chairs is better than the champion's: 0.")


def test_an_equal_challenger_is_not_promoted(answers: Any) -> None:
    verdict = judged(answers, BETTER, champion=BETTER)
    assert failed(verdict) == ["chair/chairs is better than the champion's"]
    assert verdict.sentence == f"Keep the champion: 1 of {len(verdict.rules)} rules does not hold."
    assert verdict.reasons == [f"{rule.asked}: {rule.found}" for rule in verdict.rules if not rule.holds]


def test_a_better_challenger_is_refused_where_the_least_effect_is_larger(answers: Any) -> None:
    verdict = judged(answers, BETTER, minimum_effect=0.6)
    assert failed(verdict) == ["chair/chairs is better than the champion's by at least 0.6"]


@pytest.mark.parametrize("always", ["yes", "no"])
def test_one_that_says_the_same_to_everything_is_caught(answers: Any, always: str) -> None:
    quiet = Skill(0.0, 1.0, NEVER, 0.0, always)
    verdict = judged(answers, quiet, may_fall={}, may_fall_from_base={})
    assert failed(verdict) == [
        f"pope_{split}: the share of yes is within 0.1 of the {other}'s"
        for other in ("champion", "base model")
        for split in ("random", "popular", "adversarial")
    ]


def test_one_that_says_less_is_caught_though_it_invents_nothing(answers: Any) -> None:
    quiet = Skill(0.0, 0.3, NEVER, 0.0)
    verdict = judged(answers, quiet)
    assert failed(verdict) == [
        "chair/recall is at most 0.02 worse than the champion's",
        "chair/recall is at most 0.05 worse than the base model's",
        "a caption has at least 0.6 of the champion's words",
        "a caption has at least 0.6 of the base model's words",
    ]


def test_small_steps_down_are_held_against_the_base_model(answers: Any) -> None:
    verdict = judged(
        answers, Skill(0.05, 0.9, NEVER, 0.0), champion=Skill(0.5, 0.9, NEVER, 0.0), may_fall={"chair/recall": 0.1}
    )
    assert failed(verdict) == ["chair/recall is at most 0.05 worse than the base model's"]


def test_few_pictures_cannot_show_that_nothing_fell(answers: Any) -> None:
    alike = Skill(0.5, 0.9, NEVER, 0.0)
    base, challenger = answers("few", alike, 6), answers("few more", alike, 6, name="another draw")
    verdict = decide(base, challenger, base, GateSettings(must_improve=(), may_fall={"chair/recall": 0.02}))
    assert failed(verdict) == ["chair/recall is at most 0.02 worse than the champion's"]


def test_questions_that_were_not_asked_count(answers: Any) -> None:
    base = answers("base", BASE)
    challenger = answers("challenger", BETTER)
    challenger.manifest["rejected"] = challenger.manifest["rows_in"] // 10
    verdict = decide(base, challenger, base, GateSettings())
    assert failed(verdict) == ["at most 5.0% of the questions were rejected"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"must_improve": ["mme/score"]}, "must_improve.*mme/score.*chair/chairs"),
        ({"must_improve": ["pope_random/yes_ratio"]}, "must_improve.*yes_ratio.*better direction"),
        ({"may_fall": {"chair/recal": 0.1}}, "may_fall.*chair/recal"),
        ({"may_fall_from_base": {"chair/recall": -0.1}}, "may_fall_from_base.*a number from 0"),
    ],
)
def test_a_rule_that_cannot_be_checked_is_an_error_and_no_verdict(answers: Any, settings: Any, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        judged(answers, BETTER, **settings)


def test_other_questions_are_no_match(answers: Any) -> None:
    base = answers("base", BASE)
    with pytest.raises(ArtifactError, match="not evaluated alike"):
        decide(base, answers("other", BETTER, protocol={**PROTOCOL, "limit": 5}), base, GateSettings())
    with pytest.raises(ArtifactError, match="no such question"):
        decide(base, answers("fewer", BETTER, 50), base, GateSettings())


def test_of_a_family_with_one_split_that_one_is_meant(answers: Any) -> None:
    asked = ("chair", "pope_random")
    base, better = (answers(folder, skill, benchmarks=asked) for folder, skill in (("base", BASE), ("better", BETTER)))
    verdict = decide(base, base, base, GateSettings(must_improve=()))
    assert "pope/f1 is at most 0.01 worse than the champion's" in [rule.asked for rule in verdict.rules]
    assert decide(base, better, base, GateSettings()).promote


@pytest.mark.parametrize(
    ("setting", "key"),
    [("must_improve", "chair/chairz"), ("may_fall", "pope_popular/f1"), ("may_fall_from_base", "pope/precision")],
)
def test_a_rule_that_nothing_measures_is_found_before_anything_is_computed(setting: str, key: str) -> None:
    wrong = GateSettings(**{setting: (key,) if setting == "must_improve" else {key: 0.1}})
    with pytest.raises(SettingError, match=rf"'{setting}' in gate is '{key}': .*, chair/recall, .*pope/f1, pope_ra"):
        check_rules(wrong, ["chair", "pope_random"])


def test_rules_about_splits_families_and_sums_are_found() -> None:
    known = ("chair/chairi", "pope_random/precision", "pope/accuracy", "mme/perception", "amber/chair")
    check_rules(GateSettings(must_improve=known), ["chair", "pope_random", "pope_popular", "mme", "amber"])
