"""Tensors that a killed stage finds again: each a safetensors file with a note, in the state folder of its artifact."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from groundtune import storage

_NOTE = "note"


class KeptTensors:
    """location: folder or s3:// prefix, made from everything that determines the tensors."""

    def __init__(self, location: str):
        self.location = location
        self._names = set(storage.list_files(location))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def put(self, name: str, tensors: Mapping[str, Tensor], note: Any) -> None:
        """note: JSON. The file appears whole or not at all."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file, {_NOTE: json.dumps(note)})
            storage.publish_file(file, self._place(name))
        self._names.add(name)

    def get(self, name: str) -> tuple[dict[str, Tensor], Any]:
        """Tensors on the CPU, and the note."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            storage.fetch_file(self._place(name), file)
            with safe_open(file, framework="pt") as kept:
                tensors = {key: kept.get_tensor(key).clone() for key in kept.keys()}  # noqa: SIM118 (not a mapping)
                return tensors, json.loads(kept.metadata()[_NOTE])

    def read_bytes(self, name: str) -> bytes:
        return storage.read_bytes(self._place(name))

    def _place(self, name: str) -> str:
        return storage.join(self.location, name)
