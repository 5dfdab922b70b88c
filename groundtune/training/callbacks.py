"""What happens around the steps: a progress line, checkpoints that count only when whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from groundtune import storage
from groundtune.progress import Progress

COMPLETE = "COMPLETE"  # written into a checkpoint last: one without it was cut off while being saved


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


class KeepCheckpoints(TrainerCallback):
    """Marks finished checkpoints, and copies them to an s3:// state prefix so that a lost node can go on."""

    def __init__(self, remote: str):
        self.remote = remote

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if self.remote:  # the mark goes last, there as here
            storage.publish_folder(folder, storage.join(self.remote, folder.name))
        (folder / COMPLETE).touch()
        if self.remote:
            storage.publish_file(folder / COMPLETE, storage.join(self.remote, f"{folder.name}/{COMPLETE}"))
            for name in {Path(name).parts[0] for name in storage.list_files(self.remote)}:
                if name.startswith("checkpoint-") and not (folder.parent / name).exists():
                    storage.remove(storage.join(self.remote, name))  # as save_total_limit did here


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
