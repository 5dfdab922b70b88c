"""A pod sees no file of this machine: what may stand in the settings of a run on a cluster."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundtune import storage
from groundtune.errors import SettingError
from pipelines.config import RunConfig

ROOTS = ("s3://", "minio://", "gs://")  # where KFP's launcher can keep artifacts


def check_places(loaded: RunConfig, arguments: Mapping[str, Any], mounted: tuple[str, ...]) -> None:
    """Every place is an s3:// URI, or lies below a folder of `mounted`, which is a volume of the tasks' pods.

    Raises SettingError that names the setting, StorageError for an s3:// URI without bucket.
    """
    for name, place in _places(loaded, arguments):
        if storage.is_s3(place):
            storage.split_s3(place)
        elif place and not any(Path(place).is_relative_to(volume) for volume in mounted):
            expected = "an s3:// URI: a pod sees no file of this machine (or --mounted FOLDER, a volume of the pods)"
            raise SettingError(name, place, expected)


def check_pipeline_root(root: str) -> None:
    """ "" leaves it to the cluster. Raises SettingError for a path of this machine."""
    if root and not root.startswith(ROOTS):
        raise SettingError("--pipeline-root", root, f"a URI, one of {', '.join(ROOTS)}")


def _places(loaded: RunConfig, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in loaded.PATHS:
        yield name, arguments[name]
    for name in loaded.MODELS:
        for key, place in arguments[name].items():
            yield f"{name}.{key}", place
    yield "judge.cache", arguments["judge"]["cache"]  # other folders in sections (WordNet, ...) are the image's
