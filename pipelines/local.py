"""Run a pipeline on this machine with kfp.local: the same components, the same orchestration, one work folder."""

import json
import logging
import os
import re
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from groundtune.errors import GroundtuneError


class RunFailed(GroundtuneError):
    """A task failed; its own error stands above in the output."""


def run(pipeline: Callable[..., Any], arguments: dict[str, Any], work: Path, verbose: bool = False) -> dict[str, Any]:
    """Run and return the pipeline's outputs. The same work folder goes on where an earlier run was interrupted.

    work/artifacts holds every task's outputs, work/cache what is finished, work/state what is not, work/mlflow.db the
    tracking database unless MLFLOW_TRACKING_URI names a server.
    """
    work.mkdir(parents=True, exist_ok=True)
    _environment(work)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(work / "artifacts"),
        workspace_root=str(work / "workspace"),
        enable_caching=True,
        cache_root=str(work / "cache"),
    )
    with warnings.catch_warnings(), _everything() if verbose else _only_our_words():
        warnings.simplefilter("ignore")
        try:
            task = pipeline(**arguments)
        except RuntimeError as error:
            raise RunFailed(f"{error}; run the same command again to go on from here") from error
    return dict(task.outputs)


def run_id(work: Path) -> str:
    """The id of the run in this work folder: kept, so that a restart goes on in the same MLflow run."""
    file = work / "run.json"
    if file.exists():
        return str(json.loads(file.read_text())["run_id"])
    name = f"{work.name}-{uuid.uuid4().hex[:8]}"
    file.write_text(json.dumps({"run_id": name}) + "\n")
    return name


def _environment(work: Path) -> None:
    """Where things are kept and logged; inherited by the tasks, part of no cache key."""
    os.environ["GROUNDTUNE_RUN_ID"] = run_id(work)
    os.environ.setdefault("GROUNDTUNE_STATE", str(work / "state"))
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{(work / 'mlflow.db').absolute()}")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    package_root = str(Path(__file__).resolve().parents[1])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if package_root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, *paths]))


@contextmanager
def _everything() -> Iterator[None]:
    yield


class _Words:
    """stdout without the executor's bookkeeping: what is left is what the stages say, and their errors."""

    NOISE = re.compile(
        r"\[KFP Executor|^\S+ - INFO - |^\s*$|^\s*(?:'|\{|\}|\])|executor_input|FutureWarning|UserWarning"
        r"|warnings\.warn|Alembic|alembic|Wrote executor output"
    )

    def __init__(self, stream: TextIO):
        self._stream, self._rest = stream, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if not self.NOISE.search(line):
                self._stream.write(line + "\n")
        self._stream.flush()
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def _only_our_words() -> Iterator[None]:
    stdout = sys.stdout
    sys.stdout = _Words(stdout)
    try:
        yield
    finally:
        sys.stdout = stdout
        logging.getLogger().setLevel(logging.WARNING)
