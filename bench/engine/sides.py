"""Which sides each suite has; the first is ours, the second the yardstick of the headline.

A side is imported by the process that runs it: none carries the other's libraries in its memory.
"""

import importlib
from typing import Any

from bench.engine.case import Case

# suite -> side -> (module of bench.engine, class, what it is told)
SUITES: dict[str, dict[str, tuple[str, str, dict[str, bool]]]] = {
    "step": {
        "ours": ("our_training", "OurStep", {}),
        "trl": ("trl_training", "TrlStep", {}),
        "trl_answer_head": ("trl_training", "TrlStep", {"head": True}),
        "trl_reference_given": ("trl_training", "TrlStep", {"head": True, "given": True}),
    },
    "epoch": {
        "ours": ("our_training", "OurEpoch", {}),
        "trl": ("trl_training", "TrlEpoch", {}),
        "trl_answer_head": ("trl_training", "TrlEpoch", {"head": True}),
    },
    "reference": {
        "ours": ("our_training", "OurReference", {}),
        "trl": ("trl_training", "TrlReference", {}),
        "trl_answer_head": ("trl_training", "TrlReference", {"head": True}),
        "ours_features_kept": ("our_training", "OurReference", {"features": True}),
    },
    "sampling": {
        "ours": ("sampling_sides", "OurPool", {}),
        "transformers": ("sampling_sides", "TransformersPool", {}),
        "transformers_own_logits": ("sampling_sides", "TransformersPool", {"own_logits": True}),
    },
}
UNIT = {"step": "pairs", "epoch": "pairs", "reference": "pairs", "sampling": "tokens"}


def side_of(suite: str, name: str, case: Case) -> Any:
    """The side, its model loaded; `begin` makes it ready, `turn` does a turn of its work."""
    module, kind, told = SUITES[suite][name]
    return getattr(importlib.import_module(f"bench.engine.{module}"), kind)(case, **told)
