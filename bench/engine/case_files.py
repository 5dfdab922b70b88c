"""Writes what a case reads: its checkpoint and its pictures."""

from pathlib import Path
from typing import Any

from bench.engine.case import Case
from bench.engine.checkpoint import checkpoint_of
from bench.engine.sizes import Size
from bench.engine.workload import draw_pictures


def case_of(size: Size, folder: Path, **place: Any) -> Case:
    """place: threads, device, dtype and the like of Case."""
    checkpoint = checkpoint_of(size, folder / "checkpoint")
    pictures = max(size.pairs * size.steps, size.epoch_pairs, size.prompts)
    draw_pictures(folder / "pictures", pictures, size.image)
    return Case(size, str(checkpoint), str(folder / "pictures"), str(folder), **place)
