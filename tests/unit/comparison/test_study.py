"""A comparison as plain data: what it concludes, and what keeps it from concluding."""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from groundtune.artifacts import Artifact
from groundtune.comparison.curves import curves_of, is_variant
from groundtune.comparison.study import study_of
from groundtune.comparison.verdict import Claim
from groundtune.errors import ArtifactError, SettingError
from groundtune.settings import VerdictSettings
from tests.unit.comparison.worlds import PROTOCOL, Made, Skill, comparison, evaluation

GOOD, POOR = Skill(0.05, 0.9, 0.05), Skill(0.6, 0.9, 0.3)
SETTINGS = VerdictSettings(resamples=300, margin=0.02)
CLAIM = Claim("m3po", ["sft"], SETTINGS)
Compare = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """The study of made-up methods."""

    def compared(
        made: Sequence[Made],
        seeds: Sequence[int] = (0, 1),
        images: int = 40,
        baselines: Sequence[str] = ("sft",),
        **settings: Any,
    ) -> dict[str, Any]:
        found = [comparison(tmp_path / str(seed), seed, made, images=images) for seed in seeds]
        return study_of(found, Claim("m3po", baselines, dataclasses.replace(SETTINGS, **settings)))

    return compared


def test_a_better_champion_is_found_better_on_every_metric(compare: Compare) -> None:
    study = compare([Made("m3po", GOOD), Made("sft", POOR)])
    verdict = study["verdict"]
    assert verdict["state"] == "holds"
    assert [(row["metric"], row["outcome"]) for row in verdict["rows"]] == [
        ("pope/f1", "better"),
        ("chair/chairs", "better"),
        ("chair/chairi", "better"),
    ]
    chairs = verdict["rows"][1]
    assert chairs["difference"]["high"] < 0 < chairs["gain"]["low"], "fewer inventions are a gain"
    assert chairs["p_holm"] >= chairs["difference"]["p"]


def test_a_worse_champion_fails_the_claim(compare: Compare) -> None:
    study = compare([Made("m3po", POOR), Made("sft", GOOD)])
    assert study["verdict"]["state"] == "fails"
    assert {row["outcome"] for row in study["verdict"]["rows"]} == {"worse"}


def test_equal_methods_on_few_images_leave_the_claim_open(compare: Compare) -> None:
    study = compare([Made("m3po", POOR), Made("sft", POOR)], images=20)
    assert study["verdict"]["state"] == "open"
    assert {row["outcome"] for row in study["verdict"]["rows"]} == {"open"}


def test_a_wide_margin_makes_equal_methods_at_least_as_good(compare: Compare) -> None:
    study = compare([Made("m3po", POOR), Made("sft", POOR)], margin=0.5)
    assert study["verdict"]["state"] == "holds"


def test_unequal_budgets_take_the_verdict_back_and_are_named(compare: Compare) -> None:
    rich = {"pairs": 400, "answer_tokens": 30000}
    verdict = compare([Made("m3po", GOOD, training=rich), Made("sft", POOR)])["verdict"]
    assert verdict["state"] == "not comparable"
    assert verdict["unequal"] == [
        {"baseline": "sft", "budget": "answer_tokens", "champion": [30000.0] * 2, "other": [24000.0] * 2}
    ]
    assert verdict["rows"][0]["outcome"] == "better", "the differences are shown all the same"


def test_budgets_within_the_tolerance_are_equal(compare: Compare) -> None:
    near = {"pairs": 400, "answer_tokens": 24900}
    assert compare([Made("m3po", GOOD, training=near), Made("sft", POOR)])["verdict"]["unequal"] == []


def test_budgets_that_nobody_wrote_down_are_not_taken_for_equal(compare: Compare) -> None:
    verdict = compare([Made("m3po", GOOD, training={"steps": 3}), Made("sft", POOR)])["verdict"]
    assert (verdict["state"], verdict["unequal"][0]["budget"]) == ("not comparable", "")


def test_a_baseline_that_was_not_trained_leaves_the_claim_unmeasured(compare: Compare) -> None:
    verdict = compare([Made("m3po", GOOD), Made("sft", POOR)], baselines=("sft", "rm_dpo"))["verdict"]
    assert (verdict["state"], verdict["missing"]) == ("not measured", ["rm_dpo"])
    assert len(verdict["rows"]) == 3, "what was trained is compared"


def test_a_metric_that_was_not_asked_leaves_the_claim_unmeasured(compare: Compare) -> None:
    verdict = compare([Made("m3po", GOOD), Made("sft", POOR)], metrics=("pope/f1", "mme/perception"))["verdict"]
    assert (verdict["state"], verdict["missing"]) == ("not measured", ["mme/perception"])


def test_a_lone_method_is_a_study_without_a_champion(compare: Compare) -> None:
    study = compare([Made("mine", GOOD)], seeds=(4,))
    assert (study["seeds"], study["verdict"]["state"], study["verdict"]["rows"]) == ([4], "not measured", [])
    figures = study["methods"][0]["figures"]["chair/chairs"]
    assert "to_base" in figures and "to_champion" not in figures


def test_who_names_less_than_the_base_model_is_named(compare: Compare) -> None:
    verdict = compare([Made("m3po", Skill(0.0, 0.4, 0.1)), Made("sft", GOOD)])["verdict"]
    assert [(one["method"], one["metric"]) for one in verdict["says_less"]] == [("m3po", "chair/recall")]
    assert [(row["metric"], row["outcome"]) for row in verdict["coverage"]] == [("chair/recall", "worse")]


def test_a_study_is_json_and_the_same_in_whatever_order_the_seeds_come(tmp_path: Path) -> None:
    made = [Made("m3po", GOOD), Made("sft", POOR)]
    seeds = [comparison(tmp_path / str(seed), seed, made, images=10) for seed in (2, 0, 1)]
    study = study_of(seeds, CLAIM)
    assert json.loads(json.dumps(study)) == study == study_of(seeds[::-1], CLAIM)
    assert study["seeds"] == [0, 1, 2]
    figure = study["methods"][1]["figures"]["pope/f1"]
    assert figure["value"] == pytest.approx(sum(figure["seeds"]) / 3)


def seed_of(folder: Path, seed: int, made: Sequence[Made]) -> Artifact:
    return comparison(folder, seed, made, images=3)


def test_seeds_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    made = [Made("m3po", GOOD), Made("sft", POOR)]
    first = seed_of(tmp_path / "a", 0, made)
    with pytest.raises(ArtifactError, match="both of seed 0"):
        study_of([first, seed_of(tmp_path / "b", 0, made)], CLAIM)
    with pytest.raises(ArtifactError, match="their methods differ"):
        study_of([first, seed_of(tmp_path / "c", 1, made[:1])], CLAIM)
    with pytest.raises(ArtifactError, match="at least one seed"):
        study_of([], CLAIM)


def test_seeds_of_two_base_models_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Made("m3po", GOOD), Made("sft", POOR)]
    first = seed_of(tmp_path / "a", 0, made)
    monkeypatch.setattr("tests.unit.comparison.worlds.evaluation", functools.partial(evaluation, model="other"))
    with pytest.raises(ArtifactError, match="their base models differ"):
        study_of([first, seed_of(tmp_path / "b", 1, made)], CLAIM)


def test_one_benchmark_in_one_split_needs_no_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_split(*given: Any, **named: Any) -> Artifact:
        return evaluation(*given, **named, benchmarks=("pope_random",), protocol=PROTOCOL)

    monkeypatch.setattr("tests.unit.comparison.worlds.evaluation", one_split)
    made = [Made("m3po", GOOD), Made("sft", POOR)]
    asked = dataclasses.replace(SETTINGS, metrics=("pope_random/f1",))
    study = study_of([comparison(tmp_path, 0, made)], Claim("m3po", ["sft"], asked))
    assert study["verdict"]["state"] == "holds"
    assert {entry["reading"] for entry in study["metrics"].values()} == {"official"}


def shares(of: str, skills: dict[float, Skill]) -> list[Made]:
    """Variants on the curve of data efficiency; the whole share is the method itself."""
    return [
        Made(
            of if share == 1.0 else f"{of} {share:.0%}",
            skill,
            {"curve": [{"name": "share of the pairs", "of": of, "value": share}]},
        )
        for share, skill in skills.items()
    ]


def test_the_least_share_that_reaches_the_baseline_is_found(compare: Compare) -> None:
    champion = shares("m3po", {0.05: POOR, 0.25: Skill(0.6, 0.9, 0.05), 0.5: GOOD, 1.0: GOOD})
    middling = Skill(0.35, 0.9, 0.2)
    study = compare([*champion, Made("sft", POOR), Made("vanilla_dpo", middling)], images=60)
    efficiency = study["efficiency"]
    assert [(point["value"], point["reached"]) for point in efficiency["points"]] == [
        (0.05, False),
        (0.25, False),
        (0.5, True),
        (1.0, True),
    ]
    assert (efficiency["least"], efficiency["holds"]) == (0.5, True)
    assert [method["variant"] for method in study["methods"][:4]] == [True, True, True, False]
    study = compare([*champion[:1], *champion[3:], Made("vanilla_dpo", middling)], images=60, efficiency_share=0.3)
    assert (study["efficiency"]["least"], study["efficiency"]["holds"]) == (1.0, False)


def test_a_comparison_without_that_curve_says_nothing_of_efficiency(compare: Compare) -> None:
    assert compare([Made("m3po", GOOD), Made("sft", POOR)], images=5)["efficiency"] is None


def test_curves_are_grouped_by_line_and_sorted_by_value() -> None:
    methods = [
        {"name": "a8", "curve": {"name": "K", "of": "a", "value": 8}},
        {"name": "b8", "curve": {"name": "K", "of": "b", "value": 8}},
        {"name": "a", "curve": [{"name": "K", "of": "a", "value": 4}, {"name": "mu", "of": "a", "value": 0.5}]},
        {"name": "plain"},
    ]
    assert curves_of(methods) == [
        {
            "name": "K",
            "lines": [
                {"of": "a", "points": [{"value": 4.0, "method": "a"}, {"value": 8.0, "method": "a8"}]},
                {"of": "b", "points": [{"value": 8.0, "method": "b8"}]},
            ],
        },
        {"name": "mu", "lines": [{"of": "a", "points": [{"value": 0.5, "method": "a"}]}]},
    ]
    assert [is_variant(method) for method in methods] == [True, True, False, False]


@pytest.mark.parametrize(
    "curve", [{"name": "K", "of": "a"}, {"name": "K", "value": 3}, {"name": "K", "of": "a", "value": "much"}]
)
def test_a_place_on_a_curve_that_is_not_whole_is_refused(curve: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="method x.*expected name, of and value"):
        curves_of([{"name": "x", "curve": curve}])


def test_two_methods_at_one_place_of_a_curve_are_refused() -> None:
    place = {"name": "K", "of": "a", "value": 3}
    with pytest.raises(SettingError, match="'x' is there"):
        curves_of([{"name": "x", "curve": place}, {"name": "y", "curve": place}])
