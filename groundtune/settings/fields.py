"""How a setting is declared and checked: name, default, help, unit, source and valid range in one place."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Self

from groundtune.errors import SettingError


def setting(
    default: Any,
    help: str,
    *,
    source: str = "ours",
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one field of a `Settings` dataclass.

    source: where the value comes from: "ours", or the paper and what it states ("M3PO", "MFPO eq. 7").
    low, high: inclusive bounds of a number; choices: the allowed strings.
    """
    metadata = {
        "help": help,
        "source": source,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Parent of all stage settings. Construction checks every field; a wrong one is a `SettingError`."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _coerce(field.name, getattr(self, field.name), hints[field.name])
            object.__setattr__(self, field.name, value)
            _check_range(field, value)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any] | None, where: str = "") -> Self:
        """Build from a parsed YAML section or a KFP struct parameter; unknown names are errors, not ignored."""
        given = dict(mapping or {})
        known = {field.name for field in dataclasses.fields(cls)}
        for name in given:
            if name not in known:
                raise SettingError(name, given[name], f"one of {', '.join(sorted(known))}", where or cls.__name__)
        try:
            return cls(**given)
        except SettingError as error:  # a field knows its name, not its section
            raise SettingError(error.setting, error.found, error.expected, where or cls.__name__) from error

    @classmethod
    def of(cls, given: "Self | Mapping[str, Any] | None", where: str = "") -> Self:
        """Settings as they are, or built from what a component or a config file passes."""
        return given if isinstance(given, cls) else cls.from_mapping(given, where)  # type: ignore[arg-type]

    def to_mapping(self) -> dict[str, Any]:
        """Plain JSON types, in declaration order: what manifests, KFP parameters and MLflow store."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, dict) else value


def _coerce(name: str, value: Any, hint: Any) -> Any:
    """Accept what YAML, JSON and KFP make of a value (3.0 for 3, list for tuple) and nothing looser."""
    origin = typing.get_origin(hint)
    if origin is types.UnionType or origin is typing.Union:
        if value is None:
            return None
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SettingError(name, value, "a list")
        inner = typing.get_args(hint)[0]
        return tuple(_coerce(f"{name}[{i}]", item, inner) for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise SettingError(name, value, "a mapping")
        inner = typing.get_args(hint)[1]
        # Sorted: a mapping comes out of a KFP struct parameter in any order, another one in every process.
        return {str(key): _coerce(f"{name}.{key}", value[key], inner) for key in sorted(value, key=str)}
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise SettingError(name, value, "true or false")
    if hint is int:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer():
            return int(value)
        raise SettingError(name, value, "a whole number")
    if hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        if isinstance(value, str):  # YAML reads 1e-5 as a string
            try:
                return _coerce(name, float(value), float)
            except ValueError:
                pass
        raise SettingError(name, value, "a finite number")
    if isinstance(value, str):
        return value
    raise SettingError(name, value, "a string")


def _check_range(field: "dataclasses.Field[Any]", value: Any) -> None:
    low, high, choices = (field.metadata.get(key) for key in ("low", "high", "choices"))
    if value is None:
        return
    if low is not None and value < low:
        raise SettingError(field.name, value, f"at least {low}")
    if high is not None and value > high:
        raise SettingError(field.name, value, f"at most {high}")
    if choices and value not in choices:
        raise SettingError(field.name, value, f"one of {', '.join(choices)}")
