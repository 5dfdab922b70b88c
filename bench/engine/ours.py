"""Every call that the bench makes of groundtune's engine: when a name there changes, it changes here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from bench.engine.workload import INSTRUCTION, Pair
from groundtune.images import ImageStore
from groundtune.settings import TrainingSettings
from groundtune.training.curriculum import Schedule
from groundtune.training.lora import add_lora
from groundtune.training.pair_data import PairExample
from groundtune.training.pair_model import PairModel
from groundtune.training.pair_trainer import PairTrainer
from groundtune.vlm.branches import branch_logprobs, sharing_is_exact
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.generate import Answer, generate
from groundtune.vlm.image_files import encode_file
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix, encode_prefix
from groundtune.vlm.sampling import Decoding

KEPT = 4096  # MiB of image features
Branches = Sequence[Sequence[Sequence[int]]]


def keep_features(vlm: Vlm, folder: Path) -> None:
    """Image features are computed once from here on, and kept below `folder`."""
    vlm.features = open_features(vlm, KEPT, folder)


def prepare(vlm: Vlm) -> None:
    """What a loaded model does once in its life: the trial that decides whether branches are packed."""
    if not sharing_is_exact(vlm):
        raise RuntimeError("this model does not share prefixes: there is nothing to measure")


def prefix_of(reader: Any, name: str, picture: Path) -> Prefix:
    """Reads the picture from disk; its pixels are prepared when its features are not kept. reader: a Vlm, or a
    neighbour's model, which keeps none."""
    file = ImageStore(str(picture.parent)).file(name, picture.name)
    if isinstance(reader, Vlm):
        return encode_file(reader, name, INSTRUCTION, file)
    return encode_prefix(reader, name, INSTRUCTION, file.decode())


@torch.no_grad()
def logprobs_of(vlm: Vlm, prefixes: Sequence[Prefix], branches: Branches) -> list[list[Tensor]]:
    """Token log-probs of every branch, no graph: the confidence pass, which is the reference pass too."""
    return branch_logprobs(vlm, prefixes, branches)


def sampled(
    vlm: Vlm, prefixes: Sequence[Prefix], samples: int, new_tokens: int, seed: int, cache_tokens: int
) -> list[list[Answer]]:
    """`samples` answers a prompt at temperature 1, top_p .95."""
    seeds = [seed * len(prefixes) + i for i in range(len(prefixes))]
    return generate(vlm, prefixes, Decoding(new_tokens, 1.0, 0.95, samples), seeds, cache_tokens=cache_tokens)


def training_settings(pairs: int, lora_rank: int, gradient_checkpointing: bool = False) -> TrainingSettings:
    """Plain DPO, an optimizer step a micro-batch, constant learning rate: what the neighbour is set to as well."""
    return TrainingSettings(
        anchor_weight=0.0, image_weight=0.0, schedule="constant", warmup_ratio=0.0, learning_rate=1e-5,
        pairs_per_step=pairs, pairs_per_microbatch=pairs, lora_rank=lora_rank, lora_alpha=2 * lora_rank,
        gradient_checkpointing=gradient_checkpointing, checkpoint_every=10**6,
    )  # fmt: skip


def add_adapter(vlm: Vlm, settings: TrainingSettings) -> None:
    """LoRA as training puts it."""
    add_lora(vlm, settings)
    if settings.gradient_checkpointing:
        vlm.base.activation_checkpointing_enable({"use_reentrant": False})


@dataclass
class Pairs:
    """Stands for PairData, which joins artifacts: the same examples from the bench's own pairs, in their order.

    kept: examples prepared before, by pair number; without them each is read from disk when its turn comes.
    """

    vlm: Vlm
    pairs: list[Pair]
    reference: list[list[Tensor]]
    per_step: int
    kept: list[PairExample] | None = None

    @property
    def schedule(self) -> Schedule:
        count = len(self.pairs)
        return Schedule(list(range(count)), [0], [1], -(-count // self.per_step))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PairExample:
        return self.kept[index] if self.kept else self.example(index)

    def example(self, index: int) -> PairExample:
        pair = self.pairs[index]
        chosen, rejected = self.reference[index]
        return PairExample(
            pair_id=pair.pair_id,
            prefix=prefix_of(self.vlm, pair.pair_id, pair.image),
            chosen=pair.chosen_ids,
            rejected=pair.rejected_ids,
            chosen_reference=chosen,
            rejected_reference=rejected,
            weight=1.0,
        )

    def prepared(self) -> "Pairs":
        """The same, read and preprocessed now."""
        return replace(self, kept=[self.example(i) for i in range(len(self))])


def references(vlm: Vlm, pairs: list[Pair], batch: int) -> list[list[Tensor]]:
    """Reference log-probs of chosen and rejected, `batch` pairs read and passed at a time."""
    found: list[list[Tensor]] = []
    for some in _batches(pairs, batch):
        prefixes = [prefix_of(vlm, pair.pair_id, pair.image) for pair in some]
        passed = logprobs_of(vlm, prefixes, [[pair.chosen_ids, pair.rejected_ids] for pair in some])
        found += [[values.cpu() for values in row] for row in passed]
    return found


def trainer_of(vlm: Vlm, data: Pairs, settings: TrainingSettings, folder: Path, callback: TrainerCallback) -> Any:
    """The trainer that a run uses. It saves nothing at the end: the neighbour is told the same."""
    trainer = PairTrainer(PairModel(vlm), data, settings, folder)  # type: ignore[arg-type]
    trainer.args.save_strategy = "no"
    trainer.add_callback(callback)
    return trainer


def _batches(pairs: list[Pair], size: int) -> Iterator[list[Pair]]:
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]
