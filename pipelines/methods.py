"""The methods of a comparison by name: presets of a few lines, and what a configuration changes in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from groundtune.comparison.methods import SECTIONS, Method, methods_of
from groundtune.errors import SettingError

FOLDER = Path(__file__).parent / "presets" / "methods"
# In the order of the tables: the papers' baselines, ablations, M3PO and what is built on it, image preferences.
PRESETS = (
    "sft", "simulated_rlhf", "vanilla_dpo", "rm_dpo", "rm_dpo_mas", "mas_only", "confidence_only", "m3po",
    "m3po_multi_pair", "m3po_adaptive", "mdpo", "mfpo", "m3po_mfpo",
)  # fmt: skip
BASELINES = ("sft", "simulated_rlhf", "vanilla_dpo", "rm_dpo")  # of M3PO's claim


def preset(name: str) -> dict[str, Any]:
    """A method as plain JSON. Raises SettingError for a name that is none."""
    if name not in PRESETS:
        raise SettingError("methods", name, f"one of {', '.join(PRESETS)}")
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return Method.of({"name": name, **values}).to_mapping()


def resolved(given: Sequence[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Names of presets, or mappings that may be `based_on` one and then change its settings one by one."""
    return [method.to_mapping() for method in methods_of([_one(method) for method in given])]


def chosen(names: Sequence[str], given: Sequence[str | Mapping[str, Any]]) -> list[str | Mapping[str, Any]]:
    """The methods of a configuration that have these names, in the order of the names; another name is a preset's."""
    own = {one if isinstance(one, str) else str(one.get("name")): one for one in given}
    return [own.get(name, name) for name in names]


def _one(given: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(given, str):
        return preset(given)
    if not isinstance(given, Mapping):
        raise SettingError("methods", given, "names of methods, or mappings with a name")
    own = dict(given)
    together = preset(own.pop("based_on")) if "based_on" in own else {}
    for key, value in own.items():
        changed = key in SECTIONS and isinstance(value, Mapping)
        together[key] = {**together.get(key, {}), **value} if changed else value
    return together
