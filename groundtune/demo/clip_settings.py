"""How a demo's CLIP is made and trained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipSettings:
    """naming_steps: the vision tower alone learns to name its patches, before there are sentences."""

    naming_steps: int = 0
    steps: int = 850
    batch: int = 64
    true_claims: int = 3
    false_claims: int = 4
    learning_rate: float = 1.5e-3
    width: int = 128
    vision_layers: int = 4
    text_layers: int = 2
    projection: int = 128
