"""YAML files of settings: presets, the files based on them, and overrides from the command line, in layers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from groundtune.errors import SettingError
from pipelines.gpu_profiles import settings_of

_NO_YAML = (yaml.YAMLError, ValueError, RecursionError)  # ValueError: the 45th of a month; nested too deep
PRESETS = Path(__file__).parent / "presets"


def merged(
    pipeline: str,
    file: str,
    preset: str,
    overrides: tuple[str, ...],
    direct: Mapping[str, Any],
    sections: tuple[str, ...],
) -> dict[str, Any]:
    """Preset, then the GPU profile that any of these names (`gpu_profile`), then file, then `section.name=value`
    overrides, then `direct` values, the later over the earlier; a file or preset may name one that it is `based_on`.

    sections: of the pipeline; the profile's others are left out. Raises SettingError (nothing given, unreadable, no
    YAML mapping, unknown preset or profile)."""
    from_preset = _layers(pipeline, _preset_file(pipeline, preset)) if preset else []
    over_it = [*(_layers(pipeline, file) if file else []), *map(_overridden, overrides), dict(direct)]
    profile = ""
    for values in (*from_preset, *over_it):
        profile = values.pop("gpu_profile", profile)
    together: dict[str, Any] = {}
    for values in (*from_preset, settings_of(profile, sections) if profile else {}, *over_it):
        _merge(together, values)
    if not together:
        raise SettingError("--config", "nothing", "--config FILE or --preset NAME")
    return together


def _overridden(override: str) -> dict[str, Any]:
    """ "section.name=value" as nested mappings."""
    name, equals, value = override.partition("=")
    if not equals:
        raise SettingError("--set", override, "section.name=value")
    try:
        nested: Any = yaml.safe_load(value)
    except _NO_YAML as error:
        raise SettingError("--set", override, f"section.name=value, the value in YAML ({error})") from error
    for key in reversed(name.split(".")):
        nested = {key: nested}
    return dict(nested)


def preset_names(pipeline: str) -> list[str]:
    """Presets of a pipeline that come with groundtune."""
    return sorted(path.stem for path in (PRESETS / pipeline).glob("*.yaml"))


def _layers(pipeline: str, file: str, above: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The file's values, after those of the presets that it is based on."""
    values = _read(file)
    base = values.pop("based_on", "")
    if not base:
        return [values]
    if base in above:
        raise SettingError("based_on", base, "a preset that is not based on this one", file)
    return [*_layers(pipeline, _preset_file(pipeline, base), (*above, base)), values]


def _preset_file(pipeline: str, preset: str) -> str:
    if preset not in preset_names(pipeline):
        raise SettingError("--preset", preset, f"one of {', '.join(preset_names(pipeline))}")
    return str(PRESETS / pipeline / f"{preset}.yaml")


def _read(file: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(Path(file).read_text("utf-8"))
    except OSError as error:
        raise SettingError("--config", file, f"a readable YAML file ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingError("--config", file, f"a file of UTF-8 text ({error})") from error
    except _NO_YAML as error:
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
