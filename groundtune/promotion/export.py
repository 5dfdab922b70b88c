"""A registered version as files that other programs read: a plain PEFT adapter, or a checkpoint with it merged in."""

import json
import shutil
import tempfile
from pathlib import Path

import yaml

from groundtune import storage
from groundtune.artifact_writing import building_folder
from groundtune.artifacts import MANIFEST
from groundtune.candidates.engines.vllm_checkpoint import copy_for_vllm
from groundtune.errors import CheckpointError, SettingError
from groundtune.progress import say
from groundtune.promotion.registered_models import registry_place
from groundtune.tracking import place as places
from groundtune.vlm.checkpoints import checkpoint_digest
from groundtune.vlm.loader import load_vlm

_TIMEOUT = 600  # seconds a request: weights
_OURS = (MANIFEST,)  # files of an adapter that nobody else reads


def export(uri: str, out: str | Path, *, merged: bool = False, base: str = "") -> Path:
    """Write version `uri` (models:/<name>/<version> or models:/<name>@<alias>) into the folder `out`; returns it.

    Without `merged` a PEFT folder with its model card; with it a whole checkpoint of transformers and vLLM, in the
    precision of the base checkpoint. base: folder or s3:// prefix of the base checkpoint, by default where the version
    says it lies or what it brought along. Raises SettingError when `out` is there, CheckpointError when the base is
    another one, TrackingError when the server fails.
    """
    target = Path(out)
    if target.exists():
        raise SettingError("out", str(target), "a folder that is not there yet")
    with tempfile.TemporaryDirectory() as scratch:
        version = _download(uri, Path(scratch))
        config = _config(version)
        adapter = version / "artifacts" / "adapter"
        with building_folder(target) as building:
            if merged:
                _merge(_base(version, config, base), adapter, building)
            else:
                shutil.copytree(adapter, building, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_OURS))
    say("export", f"{uri} -> {target}")
    return target


def _download(uri: str, folder: Path) -> Path:
    import mlflow

    place = registry_place()
    with places.patience(_TIMEOUT, retries=3), places.reported(place, "fetch a model from"):
        found = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=place.uri)
    return Path(found)


def _config(version: Path) -> dict[str, str]:
    """What the version was made with."""
    file = version / "MLmodel"
    flavor = yaml.safe_load(file.read_text())["flavors"]["python_function"] if file.is_file() else {}
    config = flavor.get("config", {})
    if not {"base", "base_digest", "adapter_digest"} <= config.keys():
        raise CheckpointError(f"{version}: no version that groundtune registered")
    return dict(config)


def _base(version: Path, config: dict[str, str], given: str) -> Path:
    bundled = version / "artifacts" / "base"
    folder = storage.local_folder(given or (str(bundled) if bundled.is_dir() else config["base"]))
    if checkpoint_digest(folder) != config["base_digest"]:
        raise CheckpointError(f"{folder} is not the base checkpoint of this version; name it with --base")
    return folder


def _merge(base: Path, adapter: Path, target: Path) -> None:
    """PEFT adds the adapter to the weights; numbers that are not finite are refused."""
    config = json.loads((base / "config.json").read_text())
    dtype = str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")
    vlm = load_vlm(base, adapter=adapter, device="cpu", dtype=dtype)
    with tempfile.TemporaryDirectory(dir=target.parent) as saved:
        vlm.model.merge_and_unload(safe_merge=True).save_pretrained(saved)
        vlm.processor.save_pretrained(saved)
        copy_for_vllm(Path(saved), target, lambda file, place: shutil.move(file, place))
