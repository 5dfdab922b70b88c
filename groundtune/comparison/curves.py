"""Curves: methods that are one method under several values of one setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.errors import SettingError


def places_of(method: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where a method stands on curves: its `curve`, {"name", "of", "value"}, or a list of them. Raises SettingError."""
    given = method.get("curve") or []
    places = [given] if isinstance(given, Mapping) else list(given)
    for place in places:
        value = place.get("value")
        if not {"name", "of"} <= set(place) or isinstance(value, bool) or not isinstance(value, int | float):
            raise SettingError("curve", dict(place), "name, of and value, a number", f"method {method.get('name')}")
    return places


def is_variant(method: Mapping[str, Any]) -> bool:
    """On curves only, as a variant of another method?"""
    places = places_of(method)
    return bool(places) and all(place["of"] != method["name"] for place in places)


def curves_of(methods: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """[{"name", "lines": [{"of", "points": [{"value", "method"}, ...]}, ...]}, ...]: curves and lines in the order of
    first appearance, points by rising value. Raises SettingError when two methods claim one place."""
    curves: dict[str, dict[str, dict[float, str]]] = {}
    for method in methods:
        for place in places_of(method):
            line = curves.setdefault(str(place["name"]), {}).setdefault(str(place["of"]), {})
            value = float(place["value"])
            if value in line:
                raise SettingError(
                    "curve", value, f"one method a value; {line[value]!r} is there", f"method {method['name']}"
                )
            line[value] = str(method["name"])
    return [
        {
            "name": name,
            "lines": [
                {"of": of, "points": [{"value": value, "method": line[value]} for value in sorted(line)]}
                for of, line in lines.items()
            ],
        }
        for name, lines in curves.items()
    ]
