"""Runs the sides of a suite in turn: A B C, C B A, ... each in its own process, one at work at a time."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.case import Case
from bench.engine.statistics import compared, summary

TAIL = 3000  # characters of a failed side's log


class SideFailed(RuntimeError):
    """A measuring process ended early; holds the end of its log."""


class Worker:
    """A running side. loaded: its memory after the model was loaded, once it is ready."""

    def __init__(self, suite: str, side: str, case: Case, folder: Path):
        self.name = f"{suite}/{side}"
        self.log = folder / f"{suite}-{side}.log"
        scratch = folder / f"{suite}-{side}"
        scratch.mkdir(exist_ok=True)
        told = replace(case, scratch=str(scratch)).to_json()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.engine.worker", suite, side, told],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(case.threads),
            )  # fmt: skip

    def ready(self) -> None:
        """Waits until it has loaded and warmed up."""
        self.loaded = self._answer()

    def ask(self, word: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self, error: type[BaseException] | None = None, *_: Any) -> None:
        """Ends it: at its leisure, or at once after an error."""
        assert self.process.stdin is not None
        if error is not None:
            self.process.kill()
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise SideFailed(f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-TAIL:]}")
        found: dict[str, Any] = json.loads(line)
        return found


def environment(threads: int) -> dict[str, str]:
    """Of a measuring process: equal threads, waiting ones that do not spin, nothing fetched."""
    words = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **words, "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}


@contextmanager
def running(suite: str, sides: Sequence[str], case: Case) -> Iterator[dict[str, Worker]]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        workers = {}
        for side in sides:
            workers[side] = Worker(suite, side, case, Path(folder))
            stack.push(workers[side].close)
        for worker in workers.values():
            worker.ready()
        yield workers


def in_turn(
    suite: str, sides: Sequence[str], case: Case, rounds: int, unit: str, alone: bool = False
) -> dict[str, Any]:
    """Rates, memory, ratios and profile of each side. alone: a side's process ends before the next begins (a GPU's
    memory is for one); otherwise all wait side by side, and take turns."""
    turns: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    extra: dict[str, dict[str, Any]] = {}
    groups = [[side] for side in sides] if alone else [list(sides)]
    for group in groups:
        with running(suite, group, case) as workers:
            for side, worker in workers.items():
                extra[side] = {**worker.loaded, **worker.ask("losses")}
            for number in range(rounds):
                for side in group if number % 2 == 0 else group[::-1]:
                    turns[side].append(workers[side].ask("turn"))
            for side in group:
                extra[side] |= workers[side].ask("profile")
    found = {side: summary(turns[side], unit) | memory_of(turns[side], extra[side]) for side in sides}
    for side in sides:
        found[side]["profile"] = extra[side]["shares"]
    first, *others = sides
    result: dict[str, Any] = {
        "sides": found,
        "ratios": {other: compared(turns[first], turns[other], unit) for other in others},
        "rounds": rounds,
    }
    if extra[first]["losses"]:
        theirs = {other: extra[other]["losses"] for other in others}
        result["loss_difference"] = {
            other: max(abs(a - b) for a, b in zip(extra[first]["losses"], losses, strict=True))
            for other, losses in theirs.items()
        }
    return result


def memory_of(turns: list[dict[str, Any]], loaded: dict[str, Any]) -> dict[str, Any]:
    """Bytes: after the model was loaded, and the most since then."""
    kinds = {"resident": ("loaded", "peak"), "device": ("loaded_device", "peak_device")}
    return {
        "memory": {
            kind: {"loaded": loaded[before], "peak": max(turn[most] for turn in turns)}
            for kind, (before, most) in kinds.items()
        }
    }
