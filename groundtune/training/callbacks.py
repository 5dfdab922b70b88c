"""What happens around the steps: a progress line, checkpoints that count only when whole."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from groundtune.progress import Progress
from groundtune.training import kept_checkpoints
from groundtune.training.kept_checkpoints import COMPLETE


class StepProgress(TrainerCallback):
    """The progress line of training."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.progress: Progress | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.progress = Progress(self.stage, state.max_steps, "steps")
        self.progress.skip(state.global_step)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.progress:
            self.progress.add(1)


class StepClock:
    """How long each optimizer step took; starts when it is made."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self._last = self._last, time.monotonic()
        return self._last - before


class KeepCheckpoints(TrainerCallback):
    """Marks finished checkpoints, and copies them to an s3:// state prefix so that a lost node can go on."""

    def __init__(self, remote: str):
        self.remote = remote

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if args.process_index > 0:
            return
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        kept_checkpoints.mark(folder)
        if self.remote:
            kept_checkpoints.keep(folder, self.remote)


class BeforeStep(TrainerCallback):
    """Calls `act` with the number of the step that is about to begin."""

    def __init__(self, act: Callable[[int], None]):
        self.act = act

    def on_step_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.act(state.global_step)


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was saved whole."""
    found = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).exists()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
