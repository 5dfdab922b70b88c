"""How cost grows: seconds and peak memory against K, image tokens and answer length, ours and the yardstick's."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.engine.case import Case
from bench.engine.case_files import case_of
from bench.engine.sides import SUITES
from bench.engine.sizes import Size
from bench.engine.statistics import spread
from bench.engine.turns import running

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Curve:
    """One thing is varied, everything else stays. name: the file's and the plot's; varied: what the axis says."""

    name: str
    suite: str
    varied: str
    values: tuple[int, ...]

    def at(self, size: Size, value: int) -> Size:
        one = replace(size, pairs=1, steps=1, prompts=1)
        if self.name == "samples":
            return replace(one, samples=value, cache_tokens=10**9)
        if self.name == "image_tokens":
            return replace(one, image=size.patch * round(value**0.5))
        return replace(one, answer=(value, value))


CURVES = (
    Curve("samples", "sampling", "K, answers a prompt", (2, 4, 8, 16, 32)),
    Curve("image_tokens", "step", "image tokens", (144, 576, 1296, 2916)),
    Curve("answer_tokens", "step", "tokens an answer", (16, 64, 128, 256, 512)),
)


def measure(size: Size, threads: int, turns: int = 3, curves: tuple[Curve, ...] = CURVES) -> dict[str, Any]:
    """Every point is a process of its own for each side, so that its peak is its own; `turns` after the warm-up."""
    found = {}
    for curve in curves:
        sides = list(SUITES[curve.suite])[:2]
        points: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for value, case in cases(curve, size, threads):
            with running(curve.suite, sides, case) as workers:
                taken: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
                for _ in range(turns):
                    for side, worker in workers.items():
                        taken[side].append(worker.ask("turn"))
                for side, worker in workers.items():
                    points[side].append(point(value, taken[side], worker.loaded))
        found[curve.name] = {"suite": curve.suite, "varied": curve.varied, "sides": points}
        found[curve.name]["growth"] = {side: exponent(found_points) for side, found_points in points.items()}
    return {"curves": found}


def cases(curve: Curve, size: Size, threads: int) -> Iterator[tuple[int, Case]]:
    for value in curve.values:
        shaped = curve.at(size, value)
        with tempfile.TemporaryDirectory() as folder:
            yield value, case_of(shaped, Path(folder), threads=threads)


def point(value: int, turns: list[dict[str, Any]], loaded: dict[str, Any]) -> dict[str, Any]:
    """memory: MiB above what the loaded model takes."""
    peak = max(turn["peak"] for turn in turns)
    return {
        "value": value,
        "seconds": spread([turn["seconds"] for turn in turns]),
        "memory": (peak - loaded["loaded"]) / MEBIBYTE,
    }


def exponent(points: list[dict[str, Any]]) -> float:
    """Of the power law between the last two points: 1 is linear, less is better, 2 is quadratic."""
    from math import log

    before, last = points[-2:]
    ratio = last["seconds"]["median"] / before["seconds"]["median"]
    return log(ratio) / log(last["value"] / before["value"])
