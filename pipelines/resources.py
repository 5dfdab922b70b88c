"""CPU and memory of every task: pipelines/resources.yaml, or a file of the user's over it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from groundtune.errors import SettingError

FILE = Path(__file__).with_name("resources.yaml")
FIELDS = ("cpu", "cpu_limit", "memory", "memory_limit")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|[KMGT]i?)?")  # Kubernetes' quantities, as far as CPU and memory need them
_UNITS = {"m": 1e-3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def table(file: str = "") -> dict[str, dict[str, str]]:
    """Component name -> its four quantities. file: entries that replace ours, field by field.

    Raises SettingError that names the file and the entry.
    """
    merged: dict[str, dict[str, str]] = yaml.safe_load(FILE.read_text())
    if file:
        try:
            own = yaml.safe_load(Path(file).read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise SettingError("--resources", file, f"a readable YAML file ({error})") from error
        if not isinstance(own, Mapping):
            raise SettingError("--resources", file, "a mapping of components to quantities")
        for name, entry in own.items():
            merged[name] = _checked(name, entry, file, merged)
    return merged


def set_resources(spec: Mapping[str, Any], quantities: Mapping[str, Mapping[str, str]]) -> None:
    """Write every executor's requests and limits into a compiled PipelineSpec; beside its GPUs, if it has any."""
    component_of = {
        component["executorLabel"]: name.removeprefix("comp-").replace("-", "_")
        for name, component in spec["components"].items()
        if "executorLabel" in component
    }
    for label, executor in spec["deploymentSpec"]["executors"].items():
        if "container" not in executor:  # an importer runs nothing
            continue
        name = re.sub(r"_\d+$", "", component_of[label])
        wanted = quantities[name]
        executor["container"].setdefault("resources", {}).update(
            resourceCpuRequest=wanted["cpu"],
            resourceCpuLimit=wanted["cpu_limit"],
            resourceMemoryRequest=wanted["memory"],
            resourceMemoryLimit=wanted["memory_limit"],
        )


def amount(quantity: str) -> float:
    """Cores, or bytes: "250m" -> 0.25, "8Gi" -> 8589934592."""
    unit = quantity.lstrip("0123456789.")
    return float(quantity[: len(quantity) - len(unit)]) * _UNITS.get(unit, 1.0)


def _checked(name: str, entry: Any, file: str, known: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The component's quantities with the user's over ours."""
    if name not in known:
        raise SettingError(name, entry, f"one of {', '.join(known)}", file)
    if not isinstance(entry, Mapping) or not set(entry) <= set(FIELDS):
        raise SettingError(name, entry, f"a mapping of {', '.join(FIELDS)}", file)
    whole = {**known[name], **{field: str(value) for field, value in entry.items()}}
    for field, text in whole.items():
        if not _QUANTITY.fullmatch(text):
            raise SettingError(f"{name}.{field}", text, "a quantity such as 500m, 4 or 16Gi", file)
    for field in ("cpu", "memory"):
        if amount(whole[field]) > amount(whole[f"{field}_limit"]):
            raise SettingError(f"{name}.{field}", whole[field], f"at most its limit, {whole[f'{field}_limit']}", file)
    return whole
