"""TRL's sides of the suites `step`, `epoch` and `reference`."""

from typing import Any

from torch.utils.data import DataLoader

from bench.engine import models, trl_peer
from bench.engine.case import Case
from bench.engine.clock import timed
from bench.engine.training import Training, Turn, spread_lora


class TrlStep(Training):
    """TRL as it is: reference on the fly. head: only at answers; given: the reference is handed in with the batch, for
    which TRL has no way with images: what it would cost if it had."""

    def __init__(self, case: Case, head: bool = False, given: bool = False):
        super().__init__(case, models.neighbour(case), case.size.pairs * case.size.steps)
        self.head, self.given = head, given

    def begin(self) -> None:
        if self.head:
            trl_peer.answer_head()
        dataset = trl_peer.dataset_of(self.vlm, self.pairs)
        self.trainer = trl_peer.trainer_of(self.vlm, dataset, self.settings, self.folder, self.clock, logging_steps=1)
        spread_lora(self.trainer.model)
        prepared = trl_peer.Prepared(self.trainer, dataset, self.size.pairs)
        if self.given:
            self._hand_in(prepared)
        batches: DataLoader[Any] = DataLoader(prepared, batch_size=None)
        self.trainer.get_train_dataloader = lambda: batches  # type: ignore[method-assign]

    def turn(self) -> Turn:
        return self.turn_of_steps(self.trainer)

    def losses(self) -> list[float]:
        found = [record["loss"] for record in self.trainer.state.log_history if "loss" in record]
        self.trainer.args.logging_steps = trl_peer.NEVER  # the figures were for the comparison; now it is measured
        return found

    def _hand_in(self, prepared: trl_peer.Prepared) -> None:
        for batch in prepared.batches:
            on_device = {name: value.to(self.vlm.device) for name, value in batch.items()}
            chosen, rejected = self.trainer.compute_ref_log_probs(self.trainer.model, on_device)
            batch["ref_chosen_logps"], batch["ref_rejected_logps"] = chosen, rejected
        self.trainer.precompute_ref_logps = True


class TrlEpoch(Training):
    """The same by TRL, its reference on the fly."""

    def __init__(self, case: Case, head: bool = False):
        super().__init__(case, models.neighbour(case), case.size.epoch_pairs)
        self.head = head

    def begin(self) -> None:
        if self.head:
            trl_peer.answer_head()
        self.dataset = trl_peer.dataset_of(self.vlm, self.pairs)
        self.trainer = trl_peer.trainer_of(self.vlm, self.dataset, self.settings, self.folder, self.clock)

    def turn(self) -> Turn:
        with timed() as seconds:
            self.trainer.train()
        return {"seconds": seconds(), "pairs": len(self.pairs)}


class TrlReference(TrlEpoch):
    """TRL's own reference pass over batches that were collated before."""

    def begin(self) -> None:
        super().begin()
        self.batches = trl_peer.Prepared(self.trainer, self.dataset, self.size.pairs).batches

    def turn(self) -> Turn:
        with timed() as seconds:
            for batch in self.batches:
                on_device = {name: value.to(self.vlm.device) for name, value in batch.items()}
                self.trainer.compute_ref_log_probs(self.trainer.model, on_device)
        return {"seconds": seconds(), "pairs": len(self.pairs)}
