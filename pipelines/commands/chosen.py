"""The settings that a command line chooses: the same options wherever a pipeline is started, all checked here."""

import argparse
from dataclasses import replace
from typing import Any

from groundtune.errors import SettingError
from pipelines import config, methods

PLACES = ("model", "adapter", "baseline", "baseline_adapter", "benchmarks_root")
_WITH_IMAGES = "_with_images"  # the packages that train on corrupted images as well
BENCHMARKS = "pope,mme,amber,chair"
Loaded = config.AlignConfig | config.EvaluateConfig | config.CompareConfig | config.RetrainConfig
CONFIGS: dict[str, type[Loaded]] = {
    "align": config.AlignConfig,
    "align_with_images": config.AlignConfig,
    "evaluate": config.EvaluateConfig,
    "compare": config.CompareConfig,
    "retrain": config.RetrainConfig,
    "retrain_with_images": config.RetrainConfig,
}


def add_options(parser: argparse.ArgumentParser, pipeline: str) -> None:
    """--config, --preset and --set; for an evaluation its places and benchmarks as well."""
    presets = CONFIGS[pipeline].PIPELINE
    parser.add_argument("--config", default="", help="YAML file with the run's settings")
    parser.add_argument("--preset", default="", help=f"a preset of pipelines/presets/{presets}, e.g. demo")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="override one setting")
    parser.add_argument("--gpu-profile", default="", help="budgets for a GPU and model size, e.g. a100-80-7b")
    if pipeline == "compare":
        parser.add_argument("--methods", help="names of presets, comma-separated; default: those of the configuration")
        parser.add_argument("--seeds", help="whole numbers, comma-separated")
    if pipeline == "evaluate":
        parser.add_argument("--model", help="checkpoint folder or s3:// prefix")
        parser.add_argument("--adapter", help="PEFT adapter on top of it")
        parser.add_argument("--baseline", help="a second checkpoint to compare with")
        parser.add_argument("--baseline-adapter", help="adapter of the baseline")
        parser.add_argument("--benchmarks", help=f"names, comma-separated: {BENCHMARKS},...; found below the root")
        parser.add_argument("--benchmarks-root", help="question files and images (default: the embedded picture world)")
        parser.add_argument(
            "--allow-missing", action="store_true", help="leave out questions without an image, counted"
        )


def load(given: argparse.Namespace) -> Loaded:
    """The settings, checked; nothing is looked up. Raises SettingError that names the file and the setting."""
    direct: dict[str, Any] = {"gpu_profile": given.gpu_profile} if given.gpu_profile else {}
    if given.pipeline.endswith(_WITH_IMAGES):
        direct["image_preferences"] = True
    if given.pipeline == "evaluate":
        direct |= {name: getattr(given, name) for name in PLACES if getattr(given, name) is not None}
        if given.allow_missing:
            direct["evaluation"] = {"allow_missing": True}
    loaded = config.load(CONFIGS[given.pipeline], given.config, given.preset, tuple(given.set), direct)
    return _of_comparison(given, loaded) if isinstance(loaded, config.CompareConfig) else loaded


def _of_comparison(given: argparse.Namespace, loaded: config.CompareConfig) -> config.CompareConfig:
    changes: dict[str, Any] = {}
    if given.methods is not None:
        changes["methods"] = methods.chosen([name.strip() for name in given.methods.split(",")], loaded.methods)
    if given.seeds is not None:
        try:
            changes["seeds"] = [int(seed) for seed in given.seeds.split(",")]
        except ValueError as error:
            raise SettingError("--seeds", given.seeds, "whole numbers, comma-separated") from error
    return replace(loaded, **changes)


def package_name(loaded: config.RunConfig) -> str:
    """The pipeline of pipelines/packages.py that these settings are for."""
    return loaded.PIPELINE + (_WITH_IMAGES if getattr(loaded, "image_preferences", False) else "")


def arguments(given: argparse.Namespace, loaded: Loaded) -> dict[str, Any]:
    """The pipeline's parameters; benchmarks that no file names are looked for below the root of an evaluation.

    Raises SettingError that names the setting.
    """
    values = loaded.arguments()
    if given.pipeline != "evaluate":
        return values
    from groundtune.benchmarks.discovery import discover, discover_vocabulary

    if given.benchmarks is not None or not values["evaluation"]["benchmarks"]:
        names = [name.strip() for name in (given.benchmarks or BENCHMARKS).split(",")]
        values["evaluation"]["benchmarks"] = discover(values["benchmarks_root"], names)
    if not values["evaluation"]["vocabulary"]:
        values["evaluation"]["vocabulary"] = discover_vocabulary(values["benchmarks_root"])
    return values
