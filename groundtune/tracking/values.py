"""Settings and figures as MLflow stores them: flat names, text params, finite batches."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from groundtune.artifacts import flat_scalars
from groundtune.digests import digest_of
from groundtune.tracking.redaction import scrub, scrub_named

_NAME = re.compile(r"[^\w\-. :/]")
_LONGEST_NAME, _LONGEST_PARAM, _LONGEST_TAG = 250, 6000, 5000  # MLflow's own limits, characters


def key(name: str) -> str:
    """A name that MLflow accepts for metrics, params and tags."""
    return _NAME.sub("_", name)[:_LONGEST_NAME]


def params(settings: Mapping[str, Any]) -> dict[str, str]:
    """Flat text params. Numbers and booleans are written as JSON, as the pipeline backend writes the same ones."""
    found = {}
    for name, value in _flat(settings):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = scrub_named(name, text)
        if len(text) > _LONGEST_PARAM:
            text = f"{text[: _LONGEST_PARAM - 100]} ... sha256={digest_of(text)}"
        found[key(name)] = text
    return found


def figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Flat float metrics, with the names that KFP metrics get; what is not a number belongs to the manifest."""
    return {key(name): value for name, value in flat_scalars(metrics).items()}


def tag_text(name: str, value: object) -> str:
    """A tag's text, without secrets, within MLflow's limit."""
    return scrub_named(name, str(value))[:_LONGEST_TAG]


def description(text: str) -> str:
    """Markdown without secrets, its first blocks that are within MLflow's limit together: no table is cut through."""
    kept = ""
    for block in scrub(text).split("\n\n"):
        longer = f"{kept}\n\n{block}" if kept else block
        if len(longer) > _LONGEST_TAG:
            break
        kept = longer
    return kept


def error_text(error: BaseException) -> str:
    """Type and message of an exception, without secrets."""
    return scrub(f"{type(error).__name__}: {error}")[:_LONGEST_TAG]


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
