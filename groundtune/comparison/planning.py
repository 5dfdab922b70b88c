"""What the two loops of a comparison run over: the pools, one a seed, and the methods."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.comparison.methods import SEEDED, Method, methods_of
from groundtune.errors import SettingError
from groundtune.progress import say
from groundtune.settings import SamplingSettings, SelectionSettings
from groundtune.tracking.ledger import noted

# What makes a comparison fair, of every method that is not on a curve: (section, setting, whether 0 leaves it open).
BUDGET = (("selection", "max_pairs", True), ("training", "answer_tokens", True), ("selection", "held_out_share", False))
# What no method has for itself: (section, setting, what is expected instead).
COMMON = (
    *((section, "seed", "none: every seed of a method is that of its pool, `seeds`") for section in SEEDED),
    ("image_preference", "finder", "the comparison's own: its checkpoints are checked before pools are sampled"),
)


@noted("plan_pools")
def pools(seeds: Sequence[Any], sampling: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sampling settings of every seed's pool. Raises SettingError for a seed that is none or there twice, and for
    an engine that a comparison has not."""
    numbers = []
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, (int, float)) or seed != int(seed) or seed < 0:
            raise SettingError("seeds", seed, "whole numbers of at least 0", "the comparison")
        numbers.append(int(seed))
    if not numbers or len(set(numbers)) < len(numbers):
        raise SettingError("seeds", numbers, "at least one seed, each once", "the comparison")
    engine = SamplingSettings.of(sampling, "sampling").engine
    if engine != "transformers":
        expected = "transformers: a comparison samples and scores a pool in one task, in the stage image"
        raise SettingError("engine", engine, expected, "sampling")
    return [SamplingSettings.of({**sampling, "seed": seed}, "sampling").to_mapping() for seed in numbers]


@noted("plan_methods")
def methods(
    given: Sequence[Mapping[str, Any]],
    common: Mapping[str, Mapping[str, Any]],
    champion: str,
    rivals: Sequence[str],
) -> list[dict[str, Any]]:
    """`plan`, told."""
    planned = plan(given, common, champion, rivals)
    say("plan_methods", f"{len(planned)} methods: {', '.join(method['name'] for method in planned)}")
    return planned


def plan(
    given: Sequence[Mapping[str, Any]],
    common: Mapping[str, Mapping[str, Any]],
    champion: str,
    rivals: Sequence[str],
) -> list[dict[str, Any]]:
    """Every method with the sections that its training reads, completed, as `teaching.run` takes it. It holds nothing
    else: what another method or a caption changes makes no finished method anew.

    common: the comparison's own sections, sampling among them. Checked here, in seconds: names, settings, a score that
    only a reward model gives, pools as large as methods want them, no two methods that are one, and the equal budget.
    Raises SettingError that names the method or the setting.
    """
    known = methods_of(given)
    names = [method.name for method in known]
    for setting, name in (("champion", champion), *(("rivals", rival) for rival in rivals)):
        if name not in names:
            raise SettingError(setting, name, f"one of the methods: {', '.join(names)}", "the comparison")
    candidates = SamplingSettings.of(common.get("sampling"), "sampling").num_candidates
    planned = [_planned(method, common, candidates) for method in known]
    _check_budget([one for one, method in zip(planned, known, strict=True) if not method.curves])
    for place, one in enumerate(planned):
        for other in planned[:place]:
            if {**one, "name": ""} == {**other, "name": ""}:
                expected = f"another method than {other['name']}: all their settings are the same"
                raise SettingError("methods", one["name"], expected, "the comparison")
    return planned


def _planned(method: Method, common: Mapping[str, Mapping[str, Any]], candidates: int) -> dict[str, Any]:
    settings = method.settings(common)
    selection, where = settings["selection"], f"method {method.name}"
    for section, name, why in COMMON:
        given = method.changes.get(section, {})
        if name in given and given[name] != common.get(section, {}).get(name):
            raise SettingError(f"{section}.{name}", given[name], why, where)
    assert isinstance(selection, SelectionSettings)
    if selection.source == "given" and common.get("selection", {}).get("source") != "given":
        expected = "m3p or random; preferences of the prompt file are the comparison's own source, or nobody's"
        raise SettingError("selection.source", "given", expected, where)
    if selection.score_by == "reward" and not method.reward_model:
        raise SettingError("score_by", "reward", "another score, or reward_model: true", where)
    if method.reward_model and not selection.held_out_share:
        raise SettingError("held_out_share", 0.0, "above 0: the reward model learns from held-out prompts", where)
    if selection.first_candidates > candidates:
        expected = f"at most sampling.num_candidates={candidates}"
        raise SettingError("first_candidates", selection.first_candidates, expected, where)
    return {
        "name": method.name,
        "trainer": method.trainer,
        "image_preferences": method.image_preferences,
        "reward_model": method.reward_model,
        **{name: settings[name].to_mapping() for name in method.sections},
    }


def _check_budget(planned: list[dict[str, Any]]) -> None:
    if len(planned) < 2:
        return
    for section, name, wanted in BUDGET:
        found = {method["name"]: method[section][name] for method in planned}
        if len(set(found.values())) > 1:
            raise SettingError(name, found, "one value for all methods: it is their budget", section)
        if wanted and not next(iter(found.values())):
            raise SettingError(name, 0, "above 0: the budget that all methods share", section)
