"""What a method of the comparison is: which trainer, on which pairs, with which changes to the common settings.

docs/methods.md tells where each comes from; pipelines/presets/methods holds them, a few lines each.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundtune.errors import SettingError
from groundtune.settings import (
    ImagePreferenceSettings,
    RewardSettings,
    RlhfSettings,
    SelectionSettings,
    Settings,
    TrainingSettings,
)

RLHF = "simulated_rlhf"
TRAINERS = ("dpo", "sft", RLHF)
SECTIONS: dict[str, type[Settings]] = {  # what a method may change; the rest of a comparison is common to all
    "selection": SelectionSettings,
    "image_preference": ImagePreferenceSettings,
    "training": TrainingSettings,
    "reward": RewardSettings,
    "rlhf": RlhfSettings,
}
SEEDED = ("selection", "image_preference", "training", "reward")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_PLAIN = ("name", "about", "trainer", "image_preferences", "reward_model", "curve")


@dataclass(frozen=True)
class Curve:
    """Where a method stands on a line of a figure: the line that belongs to method `of`, at `value` of `name`."""

    name: str
    of: str
    value: float


@dataclass(frozen=True)
class Method:
    """trainer: one of TRAINERS. image_preferences: it learns from corrupted images as well. reward_model: its pairs are
    chosen where the scores name a reward head. curves: where it stands in figures. changes: section -> settings that
    differ from the comparison's own."""

    name: str
    about: str = ""
    trainer: str = "dpo"
    image_preferences: bool = False
    reward_model: bool = False
    curves: tuple[Curve, ...] = ()
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Method":
        """From a preset or a KFP parameter. Raises SettingError that names the method and what is wrong."""
        if not isinstance(given, Mapping):
            raise SettingError("methods", given, "mappings with a name; presets are resolved by `run` and `submit`")
        name = given.get("name")
        where = f"method {name!r}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SettingError("methods.name", name, "small letters, digits and any of _.-", "the comparison")
        for key, value in given.items():
            if key not in _PLAIN and key not in SECTIONS:
                raise SettingError(key, value, f"one of {', '.join((*_PLAIN, *SECTIONS))}", where)
            if key in SECTIONS and not isinstance(value, Mapping):
                raise SettingError(key, value, "a mapping of settings", where)
        trainer = given.get("trainer", "dpo")
        if trainer not in TRAINERS:
            raise SettingError("trainer", trainer, f"one of {', '.join(TRAINERS)}", where)
        for key in ("image_preferences", "reward_model"):
            if not isinstance(given.get(key, False), bool):
                raise SettingError(key, given[key], "true or false", where)
        if given.get("image_preferences") and trainer != "dpo":
            raise SettingError("image_preferences", True, f"false: {trainer} knows no image preferences", where)
        return cls(
            name=name,
            about=str(given.get("about", "")),
            trainer=trainer,
            image_preferences=given.get("image_preferences", False),
            reward_model=given.get("reward_model", False),
            curves=_curves(given.get("curve"), where),
            changes={key: dict(given[key]) for key in SECTIONS if key in given},
        )

    @property
    def sections(self) -> list[str]:
        """The sections that its training reads."""
        asked = {"image_preference": self.image_preferences, "reward": self.reward_model, "rlhf": self.trainer == RLHF}
        return [name for name in SECTIONS if asked.get(name, True)]

    def settings(self, common: Mapping[str, Mapping[str, Any]]) -> dict[str, Settings]:
        """Section -> settings: those of the comparison, changed. Raises SettingError that names the method."""
        return {
            name: cls.from_mapping({**common.get(name, {}), **self.changes.get(name, {})}, f"{name} of {self.name}")
            for name, cls in SECTIONS.items()
        }

    def to_mapping(self) -> dict[str, Any]:
        """Plain JSON; `of` reads it back."""
        curve = {"curve": [dict(vars(place)) for place in self.curves]} if self.curves else {}
        plain = {name: getattr(self, name) for name in _PLAIN if name != "curve"}
        return {**plain, **curve, **{name: dict(values) for name, values in self.changes.items()}}


def methods_of(given: Sequence[Mapping[str, Any]]) -> list[Method]:
    """Raises SettingError when there is none, or two have one name."""
    methods = [Method.of(one) for one in given]
    names = [method.name for method in methods]
    doubled = {name for name in names if names.count(name) > 1}
    if not methods or doubled:
        raise SettingError("methods", sorted(doubled), "at least one method, each name once", "the comparison")
    return methods


def _curves(given: Any, where: str) -> tuple[Curve, ...]:
    """One place, or a list of them."""
    places = given if isinstance(given, list | tuple) else [] if given is None else [given]
    for place in places:
        if not isinstance(place, Mapping) or set(place) != {"name", "of", "value"}:
            raise SettingError("curve", place, "name, of and value", where)
        if isinstance(place["value"], bool) or not isinstance(place["value"], (int, float)):
            raise SettingError("curve.value", place["value"], "a number", where)
    return tuple(Curve(str(place["name"]), str(place["of"]), float(place["value"])) for place in places)
