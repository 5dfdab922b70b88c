"""What a checkpoint holds: LoRA weights and optimizer state, whole, whoever trained and however it was sharded.

A run therefore goes on with another number of processes, or with FSDP after DDP. Rank 0 alone reads and writes files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_optimizer_state_dict
from torch.distributed.tensor import DTensor, distribute_tensor

from groundtune.training.processes import Processes

WEIGHTS, OPTIMIZER, SCHEDULER, TRAINER_STATE = "lora.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json"


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, processes: Processes) -> None:
    """All processes must call it; rank 0 writes."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    weights, state = get_state_dict(model, optimizer, options=options)
    if processes.first:
        folder.mkdir(parents=True, exist_ok=True)
        whole = {name: weight.contiguous() for name, weight in weights.items() if isinstance(weight, torch.Tensor)}
        save_file(whole, folder / WEIGHTS)
        torch.save(state, folder / OPTIMIZER)


def load(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, processes: Processes) -> None:
    """All processes must call it; rank 0 reads, and every process takes what is its own from all of it."""
    held: tuple[dict[str, Any], Any] | None = None
    if processes.first:
        state = torch.load(folder / OPTIMIZER, map_location="cpu", weights_only=True)
        held = load_file(folder / WEIGHTS), state
    held = processes.broadcast(held)
    assert held is not None
    weights, state = held
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight.copy_(_like(weight, weights[name]))
    options = StateDictOptions(full_state_dict=True, ignore_frozen_params=True)
    set_optimizer_state_dict(model, optimizer, state, options=options)


def _like(weight: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """`whole`, which every process has, as this process holds `weight`: on its device, and its share when sharded."""
    placed = whole.to(weight.device)
    if not isinstance(weight, DTensor):
        return placed
    return distribute_tensor(placed, weight.device_mesh, weight.placements, src_data_rank=None)


@contextmanager
def seen_by_all(folder: Path, checkpoint: Path | None, processes: Processes) -> Iterator[tuple[Path, Path | None]]:
    """The folder of checkpoints and the one to go on from, which rank 0 knows, as every process can use them.

    The others may run on other nodes: they get a folder of their own, with the small files that the Trainer reads.
    """
    found = None
    if processes.first and checkpoint:
        found = (checkpoint.name, {name: (checkpoint / name).read_bytes() for name in (SCHEDULER, TRAINER_STATE)})
    found = processes.broadcast(found)
    if processes.first:
        yield folder, checkpoint
        return
    with TemporaryDirectory() as scratch:
        copy = None
        if found:
            copy = Path(scratch) / found[0]
            copy.mkdir()
            for name, content in found[1].items():
                (copy / name).write_bytes(content)
        yield Path(scratch), copy
