"""One side of a comparison, in a process of its own: `python -m bench.engine.worker SUITE SIDE CASE`.

Reads one word a line from standard input and answers with one line of JSON: turn, losses, profile. Before the first
word it loads and warms up, and says what that took of memory.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

from bench.engine import device_memory, memory
from bench.engine.case import Case
from bench.engine.profile import profiled
from bench.engine.sides import side_of


def main() -> None:
    suite, name, case = sys.argv[1], sys.argv[2], Case.from_json(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to the log; answers have the pipe to themselves
    torch.set_num_threads(case.threads)
    side = side_of(suite, name, case)
    loaded = {"loaded": memory.resident(), "loaded_device": device_memory.allocated()}
    memory.reset_peak()
    device_memory.reset_peak()
    side.begin()
    side.turn()
    say(answers, loaded)
    for line in sys.stdin:
        say(answers, ANSWERS[line.strip()](side))


def turn(side: Any) -> dict[str, float]:
    done: dict[str, float] = side.turn()
    return done | {"peak": memory.peak(), "peak_device": device_memory.peak()}


def losses(side: Any) -> dict[str, list[float]]:
    return {"losses": side.losses() if hasattr(side, "losses") else []}


def profile(side: Any) -> dict[str, Any]:
    return {"shares": profiled(side.vlm, side.turn)}


ANSWERS: dict[str, Callable[[Any], dict[str, Any]]] = {"turn": turn, "losses": losses, "profile": profile}


def say(answers: Any, found: dict[str, Any]) -> None:
    answers.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
