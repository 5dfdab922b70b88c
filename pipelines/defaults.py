"""Defaults of the pipelines' parameters: what the UI shows and a user edits."""

from typing import Any

from groundtune.settings.sections import SECTIONS
from pipelines.methods import PRESETS, preset

DEFAULTS: dict[str, dict[str, Any]] = {name: cls().to_mapping() for name, cls in SECTIONS.items()}
DEFAULT_METHODS: list[dict[str, Any]] = [preset(name) for name in PRESETS]  # of a comparison

# The gate counts rejected rows and refuses; a round that stopped at them would hand them on to the next one for ever.
PREPARE_OF_A_ROUND: dict[str, Any] = {"max_rejected_share": 1.0}

# Where the GPU tasks of a run go on a cluster (pipelines/placement.py).
DEFAULT_POOL: dict[str, Any] = {
    "accelerator": "nvidia.com/gpu",
    "accelerator_count": "1",
    "node_selector": {},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}
