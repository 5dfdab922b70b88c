"""refresh_reference: at the start of each further curriculum stage the policy becomes its reference."""

from collections import defaultdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from groundtune import storage
from groundtune.errors import ArtifactError
from groundtune.progress import say
from groundtune.settings import TrainingSettings
from groundtune.training.branch_rewards import SIDES, PairLogprobs
from groundtune.training.pair_data import PairData
from groundtune.training.pair_model import PairModel, named
from groundtune.training.processes import Processes


class RefreshedReference:
    """The log-probs of a stage's pairs under the policy that began it.

    Rank 0 keeps them beside the checkpoints: a run that is killed later goes on with the same ones. folder: of the
    checkpoints; remote: s3:// prefix they are copied to, "" for none.
    """

    def __init__(
        self,
        model: PairModel,
        data: PairData,
        settings: TrainingSettings,
        folder: Path,
        remote: str,
        processes: Processes,
    ):
        self.model, self.data, self.settings = model, data, settings
        self.folder, self.remote, self.processes = folder, remote, processes
        self._of_pair: dict[str, PairLogprobs] = {}

    def get(self, pair_id: str) -> PairLogprobs | None:
        """None before the second stage: the base model is the reference. Raises ArtifactError for a pair that is not
        among those kept: the base model must not take its place unseen."""
        if not self._of_pair:
            return None
        found = self._of_pair.get(pair_id)
        if found is None:
            place = self.remote or self.folder
            raise ArtifactError(f'{place}: the refreshed reference lacks "{pair_id}"; delete this to train anew')
        return found

    @torch.no_grad()
    def before(self, stage_name: str, step: int) -> None:
        """Have the references of the stage that `step` belongs to. All processes must call it."""
        schedule = self.data.schedule
        stage = schedule.stage_at(step)
        first, after = schedule.span(stage)
        if not self.settings.refresh_reference or stage == 0 or (self._of_pair and step != first):
            return
        file = self.folder / f"reference-{stage}.safetensors"
        kept = self.processes.broadcast(load_file(file) if self.processes.first and file.exists() else None)
        if kept is None:
            say(stage_name, f"the policy is the reference of stage {stage + 1} of {len(schedule.starts)}")
            size = self.settings.pairs_per_step
            kept = self._now(sorted(set(schedule.order[first * size : after * size])))
            if self.processes.first:
                partial = file.with_suffix(".partial")
                save_file(kept, partial)
                partial.replace(file)  # a run killed meanwhile must not find half of it
                if self.remote:
                    storage.publish_file(file, storage.join(self.remote, file.name))
        found: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, values in kept.items():
            pair_id, _, side = name.rpartition("|")
            found[pair_id][side] = values
        self._of_pair = {
            pair_id: PairLogprobs(sides["chosen"], sides["rejected"], sides.get("corrupted"))
            for pair_id, sides in found.items()
        }

    def _now(self, numbers: list[int]) -> dict[str, Tensor]:
        """ "<pair id>|<side>" -> token log-probs under the policy as it is, dropout off. Each process takes its turn of
        the micro-batches; one that has none left repeats the first, since FSDP needs them all in every pass."""
        size, count = self.settings.pairs_per_microbatch, self.processes.count
        microbatches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        self.model.eval()
        found: dict[str, Tensor] = {}
        for turn in range(-(-len(microbatches) // count)):
            mine = turn * count + self.processes.rank
            pairs = [self.data.example(number) for number in microbatches[mine if mine < len(microbatches) else 0]]
            for pair, logprobs in zip(pairs, named(self.model(pairs)), strict=True):
                for side in SIDES:
                    values = getattr(logprobs, side)
                    if values is not None:
                        found[f"{pair.pair_id}|{side}"] = values.cpu().contiguous()
        self.model.train()
        return {name: values for share in self.processes.gather(found) for name, values in share.items()}
