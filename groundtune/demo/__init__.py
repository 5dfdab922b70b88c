"""A small picture world with exact ground truth, its tiny LLaVA and its tiny CLIP.

The demo exists so that the whole pipeline runs anywhere: it writes prompts, images and benchmarks in the formats of
real input, and its two models are ordinary checkpoint folders. Nothing outside this package knows that it is a demo.
"""

from pathlib import Path

CHECKPOINTS = Path(__file__).parent / "checkpoints"
LLAVA_CHECKPOINT = CHECKPOINTS / "llava"
CLIP_CHECKPOINT = CHECKPOINTS / "clip"

__all__ = ["CHECKPOINTS", "CLIP_CHECKPOINT", "LLAVA_CHECKPOINT"]
