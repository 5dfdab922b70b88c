"""Compile pipelines to packages that `kfp run create`, the UI and a recurring run take."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from components.images import SAMPLER
from groundtune.settings.sections import SECTIONS
from pipelines import resources
from pipelines.align import (
    align_over_nodes,
    align_with_images_over_nodes,
    packaged_align,
    packaged_align_with_images,
)
from pipelines.compare import packaged_compare
from pipelines.evaluate import packaged_evaluate
from pipelines.gpu_profiles import settings_of
from pipelines.image_lock import ImageLock
from pipelines.retrain import packaged_retrain, packaged_retrain_with_images

PIPELINES: dict[str, Callable[..., Any]] = {
    "align": packaged_align,
    "align_with_images": packaged_align_with_images,
    "evaluate": packaged_evaluate,
    "compare": packaged_compare,
    "retrain": packaged_retrain,
    "retrain_with_images": packaged_retrain_with_images,
}
POD, TRAINJOB = "pod", "trainjob"
# How training runs: in one pod, on one GPU or several, or over several pods by Kubeflow Trainer.
TRAINERS: dict[str, dict[str, Callable[..., Any]]] = {
    POD: PIPELINES,
    TRAINJOB: {**PIPELINES, "align": align_over_nodes, "align_with_images": align_with_images_over_nodes},
}
OURS = "transformers"  # the value of sampling.engine for which the stage image is enough


@dataclass(frozen=True)
class Packaging:
    """How a pipeline becomes a package.

    images: None keeps the tags for development. resources_file: CPU and memory of tasks, over those of
    pipelines/resources.yaml. gpu_profile: its budgets become the defaults of the pipeline's parameters. trainer: one of
    TRAINERS. sampler: the default of `sampling.engine`, and with vllm the image of sample_candidates. caching: False
    computes every task again; kfp's own switch reaches the outermost tasks only, which in ours are the exit handler and
    what it closes.
    """

    images: ImageLock | None = None
    resources_file: str = ""
    gpu_profile: str = ""
    trainer: str = POD
    sampler: str = OURS
    caching: bool = True


DEFAULT = Packaging()


def compile_all(folder: Path, how: Packaging = DEFAULT) -> list[Path]:
    """Write <folder>/<pipeline>.yaml for every pipeline; no secret and no path of this machine is in them.

    Raises SettingError that names the file, the profile or the role, before anything is written.
    """
    texts = {folder / f"{name}.yaml": _package(name, how) for name in PIPELINES}
    return [_write(file, text) for file, text in texts.items()]


def compile_one(name: str, target: Path, how: Packaging = DEFAULT) -> Path:
    """Write one pipeline's package and return its path. Errors are those of `compile_all`."""
    return _write(target, _package(name, how))


def _package(name: str, how: Packaging) -> str:
    """The package's text: kfp's summary for people, the changed PipelineSpec, the platform's half as it is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "package.yaml"
        compiler.Compiler().compile(TRAINERS[how.trainer][name], str(file))
        text = file.read_text("utf-8")
    head = takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True))
    spec, *platform = yaml.safe_load_all(text)
    _change(spec, how)
    return "".join(head) + yaml.safe_dump_all([spec, *platform], sort_keys=True)


def _change(spec: dict[str, Any], how: Packaging) -> None:
    resources.set_resources(spec, resources.table(how.resources_file))
    if how.gpu_profile:
        _set_defaults(spec, settings_of(how.gpu_profile, tuple(SECTIONS)))
    if how.sampler != OURS:
        _set_sampler(spec, how.sampler)
    if how.images:
        _set_images(spec, how.images)
    if not how.caching:
        _forbid_caching(spec)


def _set_defaults(spec: dict[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Other defaults for what the pipeline has of these parameters, setting by setting."""
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    for name, values in settings.items():
        if name in parameters:
            parameters[name]["defaultValue"] = {**parameters[name].get("defaultValue", {}), **values}


def _set_sampler(spec: dict[str, Any], engine: str) -> None:
    """The task that samples runs where that engine is installed."""
    component = spec["components"].get("comp-sample-candidates")
    if component:
        spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["image"] = SAMPLER
        _set_defaults(spec, {"sampling": {"engine": engine}})


def _set_images(spec: dict[str, Any], images: ImageLock) -> None:
    """The lock's references in the place of the tags for development."""
    for executor in spec["deploymentSpec"]["executors"].values():
        if "container" in executor:  # an importer has none
            executor["container"]["image"] = images.instead_of(
                executor["container"]["image"], spec["pipelineInfo"]["name"]
            )


def _forbid_caching(spec: dict[str, Any]) -> None:
    for component in [spec["root"], *spec["components"].values()]:
        for task in component.get("dag", {"tasks": {}})["tasks"].values():
            task["cachingOptions"] = {}


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file
