"""A run's configuration: one YAML file, always the same sections, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.settings.sections import SECTIONS, check_settings
from pipelines import config_files

KINDS = {str: "a text", bool: "true or false", int: "a whole number"}


class RunConfig:
    """What may stand in a pipeline's configuration. MODELS: mappings of a name to a checkpoint folder."""

    PIPELINE: ClassVar[str]
    PATHS: ClassVar[tuple[str, ...]]
    MODELS: ClassVar[tuple[str, ...]] = ()
    NEEDED: ClassVar[tuple[str, ...]]
    PLAIN: ClassVar[dict[str, type]]
    SECTIONS: ClassVar[tuple[str, ...]]


@dataclass(frozen=True)
class AlignConfig(RunConfig):
    """Arguments of pipelines/align.py. Relative paths are relative to the working directory.

    image_preferences: train with corrupted images as well (MFPO). region_models: checkpoints of the region finder.
    """

    PIPELINE: ClassVar[str] = "align"
    PATHS: ClassVar[tuple[str, ...]] = ("prompts", "images_root", "model", "benchmarks_root")
    MODELS: ClassVar[tuple[str, ...]] = ("scorers", "region_models")
    NEEDED: ClassVar[tuple[str, ...]] = ("prompts", "model", "benchmarks_root")
    PLAIN: ClassVar[dict[str, type]] = {"num_shards": int, "register": bool, "title": str, "image_preferences": bool}
    SECTIONS: ClassVar[tuple[str, ...]] = tuple(SECTIONS)

    prompts: str
    model: str
    scorers: dict[str, str]
    benchmarks_root: str
    region_models: dict[str, str] = field(default_factory=dict)
    images_root: str = ""
    num_shards: int = 2
    register: bool = False
    title: str = ""
    image_preferences: bool = False
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Pipeline parameters, each section completed with its defaults."""
        return {
            **{name: getattr(self, name) for name in (*self.PATHS, "num_shards", "register", "title")},
            "images_root": self.images_root or self.prompts.rpartition("/")[0],
            "scorers": dict(self.scorers),
            "region_models": dict(self.region_models),
            **_completed(self.sections, self.SECTIONS),
        }


@dataclass(frozen=True)
class EvaluateConfig(RunConfig):
    """Arguments of pipelines/evaluate.py. Relative paths are relative to the working directory."""

    PIPELINE: ClassVar[str] = "evaluate"
    PATHS: ClassVar[tuple[str, ...]] = ("benchmarks_root", "model", "adapter", "baseline", "baseline_adapter")
    NEEDED: ClassVar[tuple[str, ...]] = ("benchmarks_root", "model")
    PLAIN: ClassVar[dict[str, type]] = {"title": str}
    SECTIONS: ClassVar[tuple[str, ...]] = ("evaluation", "judge")

    benchmarks_root: str
    model: str
    adapter: str = ""
    baseline: str = ""
    baseline_adapter: str = ""
    title: str = ""
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Pipeline parameters, each section completed with its defaults."""
        return {
            **{name: getattr(self, name) for name in (*self.PATHS, "title")},
            **_completed(self.sections, self.SECTIONS),
        }


Config = TypeVar("Config", bound=RunConfig)


def load(
    kind: type[Config],
    file: str = "",
    preset: str = "",
    overrides: tuple[str, ...] = (),
    direct: Mapping[str, Any] | None = None,
) -> Config:
    """Preset, then file, then `section.name=value` overrides, then `direct` values, the later over the earlier.

    Raises SettingError that names the file and the setting.
    """
    merged = config_files.merged(kind.PIPELINE, file, preset, overrides, direct or {})
    where = file or preset or "the command line"
    plain = {name: merged.pop(name) for name in (*kind.PATHS, *kind.PLAIN) if name in merged}
    models = {name: _models(name, merged.pop(name, {}), where) for name in kind.MODELS}
    for name, section in merged.items():
        if name not in kind.SECTIONS:
            expected = f"one of {', '.join((*kind.PATHS, *kind.MODELS, *kind.PLAIN, *kind.SECTIONS))}"
            raise SettingError(name, section, expected, where)
        if not isinstance(section, Mapping):
            raise SettingError(name, section, "a mapping of settings", where)
    for name, wanted in kind.PLAIN.items():
        if name in plain and type(plain[name]) is not wanted:
            raise SettingError(name, plain[name], KINDS[wanted], where)
    for name in kind.PATHS:
        value = plain.get(name, "")
        if not isinstance(value, str) or (name in kind.NEEDED and not value):
            raise SettingError(name, value, "a path or s3:// URI", where)
        plain[name] = _absolute(value) if value else ""
    arguments: dict[str, Any] = {**plain, **models, "sections": merged}
    return kind(**arguments)


def _models(name: str, places: Any, where: str) -> dict[str, str]:
    if not isinstance(places, Mapping):
        raise SettingError(name, places, "a mapping of name to checkpoint folder", where)
    for key, place in places.items():
        if not isinstance(place, str) or not place:
            raise SettingError(f"{name}.{key}", place, "a path or s3:// URI", where)
    return {key: _absolute(place) for key, place in places.items()}


def _completed(sections: dict[str, dict[str, Any]], wanted: tuple[str, ...]) -> dict[str, Any]:
    checked = check_settings(sections)
    return {name: checked[name].to_mapping() for name in wanted}


def _absolute(path: str) -> str:
    return path if storage.is_s3(path) else str(Path(path).absolute())
