"""What each method learnt from, what it changes, and what the figures must be reported with, as rows of plain text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from groundtune.report import wording
from groundtune.report.comparison.figures import kind_of
from groundtune.report.comparison.sentences import BUDGET_NAMES
from groundtune.report.comparison.words import Study, whole

_NOT_PRESET = ("name", "about", "curve")


def budget_heads(study: Study) -> list[str]:
    """The budgets that any method reported."""
    names = ("pairs", "answer_tokens", "steps", "seconds")
    return [name for name in names if any(name in method["budget"] for method in study["methods"])]


def budget_rows(study: Study) -> list[dict[str, Any]]:
    """Means over seeds, with the range where seeds differ."""
    return [
        {
            "name": method["name"],
            "kind": kind_of(study, method["name"]),
            "variant": method["variant"],
            "cells": [
                {"head": budget_title(name), **_budget(method["budget"].get(name))} for name in budget_heads(study)
            ],
        }
        for method in study["methods"]
    ]


def budget_title(name: str) -> str:
    return BUDGET_NAMES.get(name, name)


def _budget(values: Sequence[float] | None) -> dict[str, str]:
    if not values:
        return {"value": "–", "span": ""}
    low, high = whole(min(values)), whole(max(values))
    return {"value": whole(sum(values) / len(values)), "span": f"{low} to {high}" if low != high else ""}


def presets(study: Study) -> list[dict[str, Any]]:
    """Every method with what it is about, and what it changes as YAML."""
    return [
        {
            "name": method["name"],
            "kind": kind_of(study, method["name"]),
            "variant": method["variant"],
            "about": str(method["method"].get("about", "")),
            "changes": preset(method["method"]),
        }
        for method in study["methods"]
    ]


def preset(method: Mapping[str, Any]) -> str:
    changes = {name: value for name, value in method.items() if name not in _NOT_PRESET and value not in ({}, None)}
    return yaml.safe_dump(changes, sort_keys=False, allow_unicode=True).strip() if changes else ""


def common(study: Study) -> list[tuple[str, str]]:
    """(section, its settings that are no defaults and that all methods share)"""
    return [
        (section, ", ".join(f"{name} {setting_text(value)}" for name, value in values.items()))
        for section, values in study.get("common", {}).items()
    ]


def setting_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def provenance(study: Study) -> list[tuple[str, str]]:
    """What the comparison's figures must be reported with."""
    found, settings = study["provenance"], study["settings"]
    identity = found["identity"]
    entries = [(f"comparison of seed {seed}", digest) for seed, digest in found["comparisons"].items()]
    entries += [("model", str(identity.get("model", "")))]
    entries += [
        (f"{name}: sha256", str(digest)) for name, digest in identity.get("protocol", {}).get("inputs", {}).items()
    ]
    entries += [(f"{section}, all methods", text) for section, text in common(study)]
    decoding = identity.get("protocol", {}).get("decoding", {})
    entries += [(f"decoding, {kind.replace('_', '/')}", str(how)) for kind, how in decoding.items()]
    entries += [
        ("questions", wording.count(study["questions"])),
        ("resampling", f"{settings['resamples']:,} resamples over pictures and seeds, seed {settings['seed']}"),
        ("groundtune", str(found["groundtune"])),
        *((name, str(version)) for name, version in found["packages"].items()),
    ]
    return [(name, value) for name, value in entries if value]
