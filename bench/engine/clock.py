"""Seconds of work, the device's queue included."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """The value is a function: seconds spent in the block, once it is left."""
    began = now()
    spent = [0.0]
    yield lambda: spent[0]
    spent[0] = now() - began


class StepClock(TrainerCallback):
    """Seconds of each optimizer step: forward, backward, clipping, optimizer; neither data loading nor logging."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = now()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.steps.append(now() - self._began)
