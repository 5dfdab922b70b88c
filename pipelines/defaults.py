"""Defaults of the pipelines' parameters: what the UI shows and a user edits."""

from typing import Any

from groundtune.settings.sections import SECTIONS
from pipelines.methods import PRESETS, preset

DEFAULTS: dict[str, dict[str, Any]] = {name: cls().to_mapping() for name, cls in SECTIONS.items()}
DEFAULT_METHODS: list[dict[str, Any]] = [preset(name) for name in PRESETS]  # of a comparison

# Where the GPU tasks of a run go on a cluster (pipelines/placement.py).
DEFAULT_POOL: dict[str, Any] = {
    "accelerator": "nvidia.com/gpu",
    "accelerator_count": "1",
    "node_selector": {},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}
