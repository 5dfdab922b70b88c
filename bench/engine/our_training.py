"""Our sides of the suites `step`, `epoch` and `reference`."""

from bench.engine import models, ours
from bench.engine.case import Case
from bench.engine.clock import timed
from bench.engine.flops import PackedRow, training_step
from bench.engine.training import Training, Turn, spread_lora


class OurStep(Training):
    """One packed pass a step; features kept and references computed before, as from the second epoch on."""

    def __init__(self, case: Case):
        super().__init__(case, models.ours(case), case.size.pairs * case.size.steps)

    def begin(self) -> None:
        ours.prepare(self.vlm)
        ours.keep_features(self.vlm, self.folder)
        reference = ours.references(self.vlm, self.pairs, self.size.pairs)
        data = ours.Pairs(self.vlm, self.pairs, reference, self.size.pairs).prepared()
        rows = [PackedRow(len(one.prefix), (len(one.chosen), len(one.rejected))) for one in data.kept or []]
        self.operations = training_step(self.size, rows)
        ours.add_adapter(self.vlm, self.settings)
        spread_lora(self.vlm.model)
        self.trainer = ours.trainer_of(self.vlm, data, self.settings, self.folder, self.clock)

    def turn(self) -> Turn:
        return self.turn_of_steps(self.trainer) | {"operations": self.operations}

    def losses(self) -> list[float]:
        """Of the steps of the last turn."""
        return [record["dpo_loss"] for record in self.trainer.state.log_history if "dpo_loss" in record]


class OurEpoch(Training):
    """Pictures from disk, the reference pass, and every step: nothing is known at the start, features are kept on the
    way."""

    def __init__(self, case: Case):
        super().__init__(case, models.ours(case), case.size.epoch_pairs)

    def begin(self) -> None:
        self.turns = 0
        ours.prepare(self.vlm)
        ours.add_adapter(self.vlm, self.settings)

    def turn(self) -> Turn:
        self.turns += 1
        with timed() as seconds:
            ours.keep_features(self.vlm, self.folder / f"turn-{self.turns}")
            with self.vlm.model.disable_adapter():
                reference = ours.references(self.vlm, self.pairs, 4 * self.size.pairs)
            data = ours.Pairs(self.vlm, self.pairs, reference, self.size.pairs)
            ours.trainer_of(self.vlm, data, self.settings, self.folder, self.clock).train()
        return {"seconds": seconds(), "pairs": len(self.pairs)}


class OurReference(Training):
    """Both answers of each pair in one row. features: kept from an earlier pass."""

    def __init__(self, case: Case, features: bool = False):
        super().__init__(case, models.ours(case), case.size.epoch_pairs)
        self.features = features

    def begin(self) -> None:
        ours.prepare(self.vlm)
        if self.features:
            ours.keep_features(self.vlm, self.folder)
        self.prefixes = [ours.prefix_of(self.vlm, pair.pair_id, pair.image) for pair in self.pairs]

    def turn(self) -> Turn:
        with timed() as seconds:
            ours.logprobs_of(self.vlm, self.prefixes, [[pair.chosen_ids, pair.rejected_ids] for pair in self.pairs])
        return {"seconds": seconds(), "pairs": len(self.pairs)}
