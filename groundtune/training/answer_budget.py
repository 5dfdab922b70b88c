"""How many tokens of its own answers a policy has learnt from, and the end of the training when they are enough."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from groundtune.progress import Progress

LEARNT = "answer_tokens"  # in the records of a training: all tokens up to that step


class AnswerBudget(TrainerCallback):
    """Stops after the step that reaches the budget, 0 for none. A resumed training goes on counting where it stood."""

    def __init__(self, stage: str, budget: int):
        self.stage, self.budget = stage, budget
        self.learnt = 0
        self.progress: Progress | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.learnt = int(state.log_history[-1][LEARNT]) if state.log_history else 0
        total, unit = (self.budget, "answer tokens") if self.budget else (state.max_steps, "steps")
        self.progress = Progress(self.stage, total, unit)
        self._done = min(self.learnt, self.budget) if self.budget else state.global_step
        self.progress.skip(self._done)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        done = min(self.learnt, self.budget) if self.budget else state.global_step
        if self.progress:
            self.progress.add(done - self._done)
        self._done = done
        if self.budget and self.learnt >= self.budget:
            control.should_training_stop = True
            control.should_save = False  # a training that resumed behind this step would take one more
