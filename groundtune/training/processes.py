"""The processes that train together, as torchrun starts them: who this one is, and how small things are passed around.

One process alone needs no group: it gathers and broadcasts with itself.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from groundtune.errors import SettingError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """rank: of this process, from 0. count: of all. local_rank: among those of this node, which is also its GPU.
    local_count: of those of this node, the same on every node."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def first(self) -> bool:
        """True for the one that reads and writes the state, the log and the adapter."""
        return self.rank == 0

    def gather(self, mine: Value) -> list[Value]:
        """What every process passed, by rank; all must call it."""
        if self.count == 1:
            return [mine]
        found: list[Value | None] = [None] * self.count
        dist.all_gather_object(found, mine)
        return found  # type: ignore[return-value]

    def broadcast(self, value: Value) -> Value:
        """What rank 0 passed; all must call it."""
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]


def current() -> Processes:
    """The group that `join` made; without one, this process alone.

    Raises SettingError when the environment speaks of several processes that nobody joined: training them side by side
    as if each were alone would give wrong gradients without a sign.
    """
    if dist.is_initialized():
        local = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(dist.get_rank(), dist.get_world_size(), *local)
    world = os.environ.get("WORLD_SIZE", "1")
    if int(world) > 1:
        raise SettingError("WORLD_SIZE", world, "1 for a training that was asked to run as one process (processes)")
    return Processes()


def join(expected: int, timeout: float) -> Processes:
    """Meet the other processes that torchrun started. timeout: seconds that one waits for another in a collective.

    Raises SettingError unless torchrun started exactly `expected`: other launchers (accelerate launch, trl) start
    a single process inside a TrainJob and say nothing.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if world != str(expected):
        raise SettingError("WORLD_SIZE", world, f"{expected}, the processes asked for; start the worker with torchrun")
    local_rank = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        if local_rank >= torch.cuda.device_count():
            found = f"{torch.cuda.device_count()} visible GPUs"
            raise SettingError("processes", found, f"one GPU a process; local rank {local_rank} has none")
        torch.cuda.set_device(local_rank)
        backend = "cpu:gloo,cuda:nccl"  # small objects travel by gloo
    else:
        backend = "gloo"
    dist.init_process_group(backend, timeout=timedelta(seconds=timeout))
    return current()


def leave() -> None:
    """Take the group apart, at the end of a process that joined."""
    if dist.is_initialized():
        dist.destroy_process_group()
