"""Default settings of every stage as KFP struct parameters: what the UI shows and a user edits."""

from typing import Any

from groundtune.settings.sections import SECTIONS

DEFAULTS: dict[str, dict[str, Any]] = {name: cls().to_mapping() for name, cls in SECTIONS.items()}
