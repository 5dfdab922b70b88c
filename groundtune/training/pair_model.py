"""The policy as one module whose single forward is a whole micro-batch: what wraps a module to train it on several
processes (DDP, FSDP) then sees all of the work, although the packed step calls the model's parts one by one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from groundtune.errors import SettingError
from groundtune.training.branch_rewards import PairLogprobs, pair_logprobs
from groundtune.training.pair_data import PairExample
from groundtune.training.processes import Processes
from groundtune.vlm.loader import Vlm


class PairModel(nn.Module):
    """Token log-probs of all branches of the pairs.

    The result is made of lists, not of PairLogprobs: FSDP looks for the tensors of an output in lists only.
    """

    accepts_loss_kwargs = False

    def __init__(self, vlm: Vlm, one_pass: bool = False):
        """one_pass: run a micro-batch as one pass of the language model, however many tokens that are."""
        super().__init__()
        self.policy = vlm.model
        self.vlm, self.one_pass = vlm, one_pass

    def forward(self, pairs: Sequence[PairExample]) -> list[list[Tensor]]:
        rows = pair_logprobs(self.vlm, pairs, one_pass=self.one_pass)
        return [[values.clone() for values in row] for row in rows]  # FSDP may lose its hook on a view


def named(rows: list[list[Tensor]]) -> list[PairLogprobs]:
    """The result of a PairModel, with names."""
    return [PairLogprobs(*row) for row in rows]


def shard(vlm: Vlm, processes: Processes) -> PairModel:
    """FSDP: every process holds its share of every weight, frozen ones included, and sees a decoder layer whole only
    while it runs. Moves the weights to the GPU of this process, a layer at a time.

    All processes must run each sharded module equally often. Hence one pass a micro-batch, and the vision tower stays
    in the root's group, which is whole during all of the forward: with cached features only some processes run it.
    """
    device = torch.device("cuda", processes.local_rank) if torch.cuda.is_available() else torch.device("cpu")
    vlm.device = device
    model = PairModel(vlm, one_pass=True)
    mesh = init_device_mesh(device.type, (processes.count,))
    for layer in _decoder_layers(vlm):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


class Sharded(nn.Module):
    """What the Trainer drives when FSDP holds the weights: it would wrap the bare model in DDP on top."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, pairs: Sequence[PairExample]) -> Any:
        return self.module(pairs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients add up here until the last micro-batch of a step; those of LoRA alone, which are small."""
        self.module.set_requires_gradient_sync(False)  # type: ignore[operator]
        try:
            yield
        finally:
            self.module.set_requires_gradient_sync(True)  # type: ignore[operator]


def _decoder_layers(vlm: Vlm) -> Iterator[nn.Module]:
    layers = getattr(vlm.family.language_model(vlm.base), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise SettingError("sharding", "fsdp", "ddp: the language model of this family has no list of layers to shard")
    yield from layers
