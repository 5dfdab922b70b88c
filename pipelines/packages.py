"""Compile pipelines to packages that `kfp run create`, the UI and a recurring run take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler

from pipelines.align import align, align_with_images
from pipelines.evaluate import evaluate

PIPELINES: dict[str, Callable[..., Any]] = {
    "align": align,
    "align_with_images": align_with_images,
    "evaluate": evaluate,
}


def compile_all(folder: Path) -> list[Path]:
    """Write <folder>/<pipeline>.yaml for every pipeline; no secret and no path of this machine is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, pipeline in PIPELINES.items():
        target = folder / f"{name}.yaml"
        compiler.Compiler().compile(pipeline, str(target))
        written.append(target)
    return written
