"""Run a pipeline on this machine with kfp.local: the same components, the same orchestration, one work folder."""

import fcntl
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

from groundtune import close_run
from groundtune.errors import GroundtuneError, SettingError

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")  # kfp's colours
_RUN = "run.json"
GPUS = ("accelerator_count", "training_gpus")  # a run on this machine asks a cluster for none
PARALLEL_TASKS = 2  # what kfp.local runs at a time inside a ParallelFor


class RunFailed(GroundtuneError):
    """A task failed; its own error stands above in the output."""


def run(pipeline: Callable[..., Any], arguments: dict[str, Any], work: Path, verbose: bool = False) -> dict[str, Any]:
    """Run and return the pipeline's outputs. The same work folder goes on where an earlier run was interrupted.

    However it ends, work/run.html tells how. GPUs of a cluster are not asked for: a task takes what this machine has.
    work/artifacts holds every task's outputs, work/cache what is finished, work/state what is not, work/mlflow.db the
    tracking database unless MLFLOW_TRACKING_URI names a server. Raises RunFailed, and SettingError while another run is
    at work in the folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work):
        return _run(pipeline, arguments, work, verbose)


def _run(pipeline: Callable[..., Any], arguments: dict[str, Any], work: Path, verbose: bool) -> dict[str, Any]:
    rounds = arguments.get("rounds_root", "")
    _environment(work)
    _try_once(pipeline)
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
            task = pipeline(**{**arguments, **{name: "0" for name in GPUS if name in arguments}})
        except RuntimeError as error:
            _close(work, "FAILED", str(error), rounds)
            told = f"what ran and why it ended: {work / close_run.PAGE}"
            raise RunFailed(f"{error}; {told}; run the same command again to go on from here") from error
        except KeyboardInterrupt:
            _close(work, "CANCELLED", "", rounds)
            raise
    _close(work, "SUCCEEDED", "", rounds)
    return dict(task.outputs)


def _try_once(pipeline: Any) -> None:
    """On a cluster a task is tried again after minutes, for nodes get lost. Here an error is final: the same command
    goes on from it."""
    spec = pipeline.pipeline_spec
    for component in (spec.root, *spec.components.values()):
        for task in component.dag.tasks.values():
            task.ClearField("retry_policy")


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """No two runs in one work folder: they would be one run, twice. Whoever is killed leaves it free."""
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingError("--work", str(work), "a folder in which no other run is at work") from error
        yield


def _close(work: Path, state: str, error: str, rounds: str) -> None:
    """What the exit handler does on a cluster. A retraining is over with it: the next one is another run."""
    told = _ESCAPES.sub("", error)
    close_run.run(state, told, work / close_run.PAGE, work / "run.md", work.name, rounds=rounds)
    if rounds and state != "CANCELLED":
        (work / _RUN).unlink()


def run_id(work: Path) -> str:
    """The id of the run in this work folder: kept, so that a restart goes on in the same MLflow run."""
    file = work / _RUN
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
    # Shards run side by side: more threads than cores make each of them several times slower, not faster.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // PARALLEL_TASKS)))
    package_root = str(Path(__file__).resolve().parents[1])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if package_root not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, *paths]))


@contextmanager
def _everything() -> Iterator[None]:
    yield


class Words:
    """stdout without the executor's bookkeeping: what the stages say, and errors.

    An error that input caused is its message alone; any other exception keeps its whole traceback.
    """

    SAID = re.compile(r"^[a-z_]+(?: [a-z\d_/+.-]+){0,2}\s{2,}\S")
    OURS = re.compile(r"^groundtune\.errors\.\w+: ")

    def __init__(self, stream: TextIO):
        self._stream, self._rest = stream, ""
        self._traceback: list[str] = []
        self._indent = ""  # kfp indents a task's lines by four spaces, and by more after tasks ran side by side
        self._in_message = False

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        self._stream.flush()
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def _line(self, line: str) -> None:
        bare = line.lstrip(" ")
        if bare.startswith("Traceback (most recent call last)"):
            self._indent, self._in_message = " " * (len(line) - len(bare)), False
        line = line.removeprefix(self._indent) if self._traceback or self._in_message else bare
        if bare.startswith("Traceback (most recent call last)"):
            self._traceback = [bare]
        elif self._traceback:
            if line.startswith((" ", "During handling", "The above exception")) or not line.strip():
                self._traceback.append(line)
                return
            ours = self.OURS.match(line)
            self._print("error: " + line[ours.end() :] if ours else "\n".join([*self._traceback, line]))
            self._traceback, self._in_message = [], True
        elif self._in_message and line.strip() and not line.startswith("["):
            self._print(line)
        elif self.SAID.match(line):
            self._in_message = False
            self._print(line)
        else:
            self._in_message = False

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")


@contextmanager
def _only_our_words() -> Iterator[None]:
    stdout = sys.stdout
    sys.stdout = Words(stdout)
    try:
        yield
    finally:
        sys.stdout = stdout
        logging.getLogger().setLevel(logging.WARNING)
