"""A checkpoint under the weight names that vLLM reads.

transformers 5 saves the weights of a CLIP or SigLIP tower as `vision_tower.encoder...`; vLLM, like checkpoints of older
releases, has them as `vision_tower.vision_model.encoder...`. Where that differs, a view of the folder is made in the
cache: every file a link, but those that hold such names, which are copied with another header. No number is touched.
"""

import json
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundtune import storage
from groundtune.digests import digest_of
from groundtune.errors import CheckpointError, StorageError

TOWERS = ("clip_vision_model", "siglip_vision_model")
OLD_NAME = re.compile(r"^((?:model\.)?vision_tower\.)(?!vision_model\.)")
CHUNK = 16 << 20  # bytes in memory while a file is copied


def vllm_checkpoint(folder: Path, digest: str) -> Path:
    """`folder` itself when vLLM can read its names, else the view of it. digest: that of the checkpoint.

    Raises StorageError when the cache (GROUNDTUNE_CACHE) cannot hold the copy, CheckpointError for damaged files.
    """
    folder = folder.resolve()
    if not _stale(folder):
        return folder
    view = storage.cache_root() / f"vllm-{digest_of([digest, str(folder)])[:24]}"
    if view.is_dir():
        return view
    try:
        view.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{view.name}-", dir=view.parent))
        try:
            copy_for_vllm(folder, building, lambda file, target: target.symlink_to(file))
            _publish(building, view)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        size = sum(file.stat().st_size for file in _stale(folder))
        raise StorageError(
            f"{view.parent}: no room for the {size / 1e9:.1f} GB of {folder} that vLLM needs under other names: "
            f"{error}; set GROUNDTUNE_CACHE to a larger folder"
        ) from error
    return view


def copy_for_vllm(folder: Path, target: Path, other: Callable[[Path, Path], object]) -> None:
    """Every file of a checkpoint into the folder `target`: weights under the names that vLLM reads, which transformers
    reads as well; all that needs no new name by `other(file, its place)`."""
    stale = _stale(folder)
    for file in sorted(folder.iterdir()):
        if file in stale:
            _copy_renamed(file, stale[file], target / file.name)
        elif stale and file.name.endswith(".safetensors.index.json"):
            (target / file.name).write_text(json.dumps(_renamed_index(file)))
        else:
            other(file, target / file.name)


def _stale(folder: Path) -> dict[Path, dict[str, Any]]:
    """The weight files with names that vLLM does not read, and their headers."""
    tower = json.loads((folder / "config.json").read_text()).get("vision_config", {}).get("model_type")
    headers = {file: read_header(file) for file in sorted(folder.glob("*.safetensors"))}
    stale = {file: header for file, header in headers.items() if any(OLD_NAME.match(name) for name in header)}
    return stale if tower in TOWERS else {}


def read_header(file: Path) -> dict[str, Any]:
    """Tensor name -> dtype, shape and place in the file, as the safetensors file begins; reads no numbers."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
    except (struct.error, ValueError, MemoryError) as error:
        raise CheckpointError(f"{file}: not a safetensors file: {error}") from error
    return dict(header)


def vllm_name(name: str) -> str:
    """The name of a weight as vLLM knows it."""
    return OLD_NAME.sub(r"\1vision_model.", name)


def _copy_renamed(source: Path, header: dict[str, Any], target: Path) -> None:
    made = json.dumps({vllm_name(name): value for name, value in header.items()}).encode()
    made += b" " * (-len(made) % 8)  # numbers begin at a multiple of 8 bytes, as the format asks
    with source.open("rb") as read, target.open("wb") as write:
        (length,) = struct.unpack("<Q", read.read(8))
        read.seek(8 + length)
        write.write(struct.pack("<Q", len(made)) + made)
        shutil.copyfileobj(read, write, CHUNK)


def _renamed_index(file: Path) -> dict[str, Any]:
    index = json.loads(file.read_text())
    return {**index, "weight_map": {vllm_name(name): part for name, part in index["weight_map"].items()}}


def _publish(building: Path, view: Path) -> None:
    """Give the finished folder its name; another process may have been faster with the same."""
    try:
        os.replace(building, view)
    except OSError:
        if not view.is_dir():
            raise
