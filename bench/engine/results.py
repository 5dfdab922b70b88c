"""bench/results/engine_*.json: one file a suite, one entry a size, each with the machine that measured it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.machine import describe

FOLDER = Path("bench/results")


def stored(suite: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """What was measured before, or None."""
    file = folder / f"engine_{suite}.json"
    return json.loads(file.read_text()) if file.exists() else None


def store(
    suite: str, size: str, found: Mapping[str, Any], threads: int, folder: Path = FOLDER, device: str = "cpu"
) -> Path:
    """Put the entry of `size` in its file; entries of other sizes stay as they were measured.

    Raises SystemExit when the size was measured on another kind of device: what a CPU gave is not for a GPU to replace.
    """
    before = stored(suite, folder) or {"cases": {}}
    kept = before["cases"].get(size, {"machine": {"device": device}})["machine"]["device"]
    if kept != device:
        raise SystemExit(f"{folder}/engine_{suite}.json holds {size} as measured on {kept}: give another --out")
    machine = describe(" ".join(["python", "-m", program(), *sys.argv[1:]])) | {"threads": threads, "device": device}
    before["cases"][size] = {**found, "machine": machine | {"trl": version("trl")}}
    file = folder / f"engine_{suite}.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(before, indent=1) + "\n")
    return file


def program() -> str:
    """The module that runs, as one would write it behind `python -m`."""
    path = Path(sys.argv[0])
    return "bench.engine" if path.parent.name == "engine" else f"bench.{path.stem}"


def version(package: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(package)
