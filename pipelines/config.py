"""A run's configuration: one YAML file, always the same sections, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.settings.sections import SECTIONS, check_settings

PRESETS = Path(__file__).parent / "presets"
PATHS = ("prompts", "images_root", "model", "benchmarks_root")
MODELS = ("scorers", "region_models")  # mappings of a name to a checkpoint folder
PLAIN = {"num_shards": int, "register": bool, "title": str, "image_preferences": bool}


@dataclass(frozen=True)
class AlignConfig:
    """Arguments of pipelines/align.py. Relative paths are relative to the working directory.

    image_preferences: train with corrupted images as well (MFPO). region_models: checkpoints of the region finder.
    """

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
            **{name: getattr(self, name) for name in (*PATHS, "num_shards", "register", "title")},
            "scorers": dict(self.scorers),
            "region_models": dict(self.region_models),
            **{name: settings.to_mapping() for name, settings in check_settings(self.sections).items()},
        }


def load(file: str = "", preset: str = "", overrides: tuple[str, ...] = ()) -> AlignConfig:
    """Preset, then file, then `section.name=value` overrides, the later over the earlier; a file or preset may name a
    preset that it is `based_on`.

    Raises SettingError that names the file and the setting.
    """
    merged: dict[str, Any] = {}
    for source in filter(None, (_preset_file(preset) if preset else "", file)):
        for values in _layers(source):
            _merge(merged, values)
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise SettingError("--set", override, "section.name=value")
        nested: Any = yaml.safe_load(value)
        for key in reversed(name.split(".")):
            nested = {key: nested}
        _merge(merged, nested)
    if not merged:
        raise SettingError("--config", "nothing", "--config FILE or --preset NAME")
    return _config(merged, file or preset)


def _layers(file: str, above: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The file's values, after those of the presets that it is based on."""
    values = _read(file)
    base = values.pop("based_on", "")
    if not base:
        return [values]
    if base in above:
        raise SettingError("based_on", base, "a preset that is not based on this one", file)
    return [*_layers(_preset_file(base), (*above, base)), values]


def preset_names() -> list[str]:
    """Presets that come with groundtune."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _config(merged: dict[str, Any], where: str) -> AlignConfig:
    plain = {name: merged.pop(name) for name in (*PATHS, *PLAIN) if name in merged}
    models = {name: merged.pop(name, {}) for name in MODELS}
    for name in merged:
        if name not in SECTIONS:
            expected = f"one of {', '.join((*PATHS, *MODELS, *PLAIN, *SECTIONS))}"
            raise SettingError(name, merged[name], expected, where)
    for name in ("prompts", "model", "benchmarks_root"):
        if not isinstance(plain.get(name), str) or not plain[name]:
            raise SettingError(name, plain.get(name), "a path or s3:// URI", where)
    for name, kind in PLAIN.items():
        if name in plain and type(plain[name]) is not kind:
            raise SettingError(name, plain[name], f"a {kind.__name__}", where)
    for name, places in models.items():
        if not isinstance(places, Mapping):
            raise SettingError(name, places, "a mapping of name to checkpoint folder", where)
        for key, place in places.items():
            if not isinstance(place, str) or not place:
                raise SettingError(f"{name}.{key}", place, "a path or s3:// URI", where)
        models[name] = {key: _absolute(place) for key, place in places.items()}
    for name in PATHS:
        if plain.get(name):
            if not isinstance(plain[name], str):
                raise SettingError(name, plain[name], "a path or s3:// URI", where)
            plain[name] = _absolute(plain[name])
    for name, section in merged.items():
        if not isinstance(section, Mapping):
            raise SettingError(name, section, "a mapping of settings", where)
    if not plain.get("images_root"):
        plain["images_root"] = plain["prompts"].rpartition("/")[0]
    return AlignConfig(**plain, **models, sections=merged)


def _absolute(path: str) -> str:
    return path if storage.is_s3(path) else str(Path(path).absolute())


def _preset_file(preset: str) -> str:
    if preset not in preset_names():
        raise SettingError("--preset", preset, f"one of {', '.join(preset_names())}")
    return str(PRESETS / f"{preset}.yaml")


def _read(file: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(Path(file).read_text())
    except OSError as error:
        raise SettingError("--config", file, f"a readable YAML file ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise SettingError("--config", file, f"valid YAML ({error})") from error
    if not isinstance(value, dict):
        raise SettingError("--config", file, "a YAML mapping")
    return value


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Sections merge setting by setting; a mapping inside a section (scorer_weights) is replaced as a whole."""
    for name, value in new.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            into[name] = {**into[name], **value}
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value
