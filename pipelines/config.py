"""A run's configuration: one YAML file, always the same sections, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from groundtune import storage
from groundtune.comparison import planning
from groundtune.errors import SettingError
from groundtune.settings import GateSettings, PrepareSettings
from groundtune.settings.sections import OF_COMPARISON, OF_RETRAINING, SECTIONS, check_settings
from pipelines import config_files
from pipelines.defaults import DEFAULT_POOL, PREPARE_OF_A_ROUND
from pipelines.methods import BASELINES, PRESETS, resolved

KINDS = {str: "a text", bool: "true or false", int: "a whole number", dict: "a mapping", list: "a list"}
PLACEMENT = {name: type(value) for name, value in DEFAULT_POOL.items()}  # parameters of every pipeline


class RunConfig:
    """What may stand in a pipeline's configuration. MODELS: mappings of a name to a checkpoint folder."""

    PIPELINE: ClassVar[str]
    PATHS: ClassVar[tuple[str, ...]]
    MODELS: ClassVar[tuple[str, ...]] = ()
    NEEDED: ClassVar[tuple[str, ...]]
    PLAIN: ClassVar[dict[str, type]]
    SECTIONS: ClassVar[tuple[str, ...]]

    PLACEMENT: ClassVar[dict[str, type]] = PLACEMENT

    placement: dict[str, Any]
    sections: dict[str, dict[str, Any]]


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
    SECTIONS: ClassVar[tuple[str, ...]] = tuple(
        name for name in SECTIONS if name not in (*OF_COMPARISON, *OF_RETRAINING)
    )
    PLACEMENT: ClassVar[dict[str, type]] = {**PLACEMENT, "training_gpus": str}

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
    placement: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Pipeline parameters, each section completed with its defaults."""
        return {
            **{name: getattr(self, name) for name in (*self.PATHS, "num_shards", "register", "title")},
            "images_root": self.images_root or self.prompts.rpartition("/")[0],
            "scorers": dict(self.scorers),
            "region_models": dict(self.region_models),
            **_completed(self.sections, self.SECTIONS),
            "training_gpus": self.placement.get("accelerator_count", DEFAULT_POOL["accelerator_count"]),
            **DEFAULT_POOL,
            **self.placement,
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
    placement: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Pipeline parameters, each section completed with its defaults."""
        return {
            **{name: getattr(self, name) for name in (*self.PATHS, "title")},
            **_completed(self.sections, self.SECTIONS),
            **DEFAULT_POOL,
            **self.placement,
        }


@dataclass(frozen=True)
class CompareConfig(RunConfig):
    """Arguments of pipelines/compare.py.

    methods: names of presets, or mappings based on them (pipelines.methods). rivals: without any, the papers' baselines
    as far as they are compared.
    """

    PIPELINE: ClassVar[str] = "compare"
    PATHS: ClassVar[tuple[str, ...]] = ("prompts", "images_root", "model", "benchmarks_root")
    MODELS: ClassVar[tuple[str, ...]] = ("scorers", "region_models")
    NEEDED: ClassVar[tuple[str, ...]] = ("prompts", "model", "benchmarks_root")
    PLAIN: ClassVar[dict[str, type]] = {
        "methods": list, "seeds": list, "champion": str, "rivals": list, "title": str,
    }  # fmt: skip
    SECTIONS: ClassVar[tuple[str, ...]] = (
        "prepare", "sampling", "alignment", "confidence", "selection", "image_preference", "training", "reward",
        "rlhf", "evaluation", "judge", "verdict",
    )  # fmt: skip

    prompts: str
    model: str
    scorers: dict[str, str]
    benchmarks_root: str
    region_models: dict[str, str] = field(default_factory=dict)
    images_root: str = ""
    methods: list[Any] = field(default_factory=lambda: list(PRESETS))
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    champion: str = "m3po"
    rivals: list[str] = field(default_factory=list)
    title: str = ""
    placement: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Pipeline parameters, methods resolved and each section completed with its defaults. Raises SettingError for
        whatever the plan of the comparison refuses (comparison.planning)."""
        methods, sections = resolved(self.methods), _completed(self.sections, self.SECTIONS)
        names = [method["name"] for method in methods]
        rivals = self.rivals or [name for name in BASELINES if name in names and name != self.champion]
        planning.plan(methods, sections, self.champion, rivals)
        planning.pools(self.seeds, sections["sampling"])
        return {
            **{name: getattr(self, name) for name in (*self.PATHS, *self.PLAIN)},
            "methods": methods,
            "rivals": rivals,
            "image_preferences": any(method["image_preferences"] for method in methods),
            "images_root": self.images_root or self.prompts.rpartition("/")[0],
            "scorers": dict(self.scorers),
            "region_models": dict(self.region_models),
            **sections,
            **DEFAULT_POOL,
            **self.placement,
        }


@dataclass(frozen=True)
class RetrainConfig(RunConfig):
    """Arguments of pipelines/retrain.py. images_root: without one, images are relative to the inbox."""

    PIPELINE: ClassVar[str] = "retrain"
    PATHS: ClassVar[tuple[str, ...]] = ("inbox", "rounds_root", "images_root", "model", "benchmarks_root")
    MODELS: ClassVar[tuple[str, ...]] = ("scorers", "region_models")
    NEEDED: ClassVar[tuple[str, ...]] = ("inbox", "rounds_root", "model", "benchmarks_root")
    PLAIN: ClassVar[dict[str, type]] = {"num_shards": int, "title": str, "image_preferences": bool}
    SECTIONS: ClassVar[tuple[str, ...]] = tuple(
        name for name in SECTIONS if name not in (*OF_COMPARISON, "probe")
    )
    PLACEMENT: ClassVar[dict[str, type]] = AlignConfig.PLACEMENT

    inbox: str
    rounds_root: str
    model: str
    scorers: dict[str, str]
    benchmarks_root: str
    region_models: dict[str, str] = field(default_factory=dict)
    images_root: str = ""
    num_shards: int = 2
    title: str = ""
    image_preferences: bool = False
    placement: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Pipeline parameters, each section completed with its defaults; rejected rows are the gate's, unless `prepare`
        says otherwise. Raises SettingError for a rule of the gate that nothing measures, and for a limit."""
        from groundtune.promotion.measurable import check_rules  # numpy: `--help` shall answer at once
        from groundtune.retraining.opening import check_whole

        prepare = {**PREPARE_OF_A_ROUND, **self.sections.get("prepare", {})}
        sections = _completed({**self.sections, "prepare": prepare}, self.SECTIONS)
        check_rules(GateSettings.of(sections["gate"]), sections["evaluation"]["benchmarks"])
        check_whole(PrepareSettings.of(sections["prepare"]))
        return {
            **{name: getattr(self, name) for name in (*self.PATHS, "num_shards", "title")},
            "images_root": self.images_root or self.inbox,
            "scorers": dict(self.scorers),
            "region_models": dict(self.region_models),
            **sections,
            "training_gpus": self.placement.get("accelerator_count", DEFAULT_POOL["accelerator_count"]),
            **DEFAULT_POOL,
            **self.placement,
        }


Config = TypeVar("Config", bound=RunConfig)


def load(
    kind: type[Config],
    file: str = "",
    preset: str = "",
    overrides: tuple[str, ...] = (),
    direct: Mapping[str, Any] | None = None,
) -> Config:
    """Preset, then the GPU profile that any of these names, then file, then `section.name=value` overrides, then
    `direct` values, the later over the earlier.

    Raises SettingError that names the file and the setting.
    """
    merged = config_files.merged(kind.PIPELINE, file, preset, overrides, direct or {}, kind.SECTIONS)
    where = file or preset or "the command line"
    plain = {name: merged.pop(name) for name in (*kind.PATHS, *kind.PLAIN) if name in merged}
    placement = {name: merged.pop(name) for name in kind.PLACEMENT if name in merged}
    for name in ("accelerator_count", "training_gpus"):
        if isinstance(placement.get(name), int):  # YAML reads digits as a number, KFP wants a text
            placement[name] = str(placement[name])
    models = {name: _models(name, merged.pop(name, {}), where) for name in kind.MODELS}
    for name, section in merged.items():
        if name not in kind.SECTIONS:
            known = (*kind.PATHS, *kind.MODELS, *kind.PLAIN, *kind.PLACEMENT, "gpu_profile", *kind.SECTIONS)
            expected = f"one of {', '.join(known)}"
            raise SettingError(name, section, expected, where)
        if not isinstance(section, Mapping):
            raise SettingError(name, section, "a mapping of settings", where)
    for name, wanted in (kind.PLAIN | kind.PLACEMENT).items():
        value = {**plain, **placement}.get(name)
        if value is not None and type(value) is not wanted:
            raise SettingError(name, value, KINDS[wanted], where)
    for name in kind.PATHS:
        value = plain.get(name, "")
        if not isinstance(value, str) or (name in kind.NEEDED and not value):
            raise SettingError(name, value, "a path or s3:// URI", where)
        plain[name] = _absolute(value) if value else ""
    arguments: dict[str, Any] = {**plain, **models, "placement": placement, "sections": merged}
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
