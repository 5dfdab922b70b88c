"""Simulated RLHF in TRL's GRPO or RLOO: TRL's advantages, KL and loss; our prompts, sampler and reward.

TRL would render the chat template anew and prepare every picture once an answer; the hooks hand it the very prefixes
that the pool was sampled behind, answers drawn by the sampler that drew the pool, and their pixels.
"""

from pathlib import Path
from typing import Any, ClassVar

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from groundtune.errors import RecordError, SettingError
from groundtune.settings import TrainingSettings
from groundtune.settings.baselines import RlhfSettings
from groundtune.training.answer_budget import LEARNT, AnswerBudget
from groundtune.training.answer_reward import AnswerReward
from groundtune.training.arguments import use_one_gpu
from groundtune.training.callbacks import StepClock
from groundtune.training.curriculum import rate_factor
from groundtune.training.online_answers import OnlineAnswers
from groundtune.training.padded_batch import pixel_batch
from groundtune.training.prompt_order import most_steps
from groundtune.training.trl_loop import TrlLoop, frozen_towers, trl_arguments, trl_callbacks
from groundtune.vlm.features import placed
from groundtune.vlm.sharing import evaluating

STAGE = "train_simulated_rlhf"
PLACES = "places"  # of a batch's answers: of their prompts in the order of training


class OnlineTrainer(TrlLoop):
    """In front of GRPOTrainer or RLOOTrainer. `log_history` in the trainer state holds one record a step.

    An answer cut at max_new_tokens takes part in its group's comparison, but nothing is learnt from its tokens, as
    selection takes no such answer: it would teach not to end.
    remote: s3:// prefix that checkpoints are copied to, "" for none.
    """

    configuration: type
    own: ClassVar[dict[str, Any]] = {}  # arguments of this trainer alone

    def __init__(
        self,
        answers: OnlineAnswers,
        reward: AnswerReward,
        training: TrainingSettings,
        rlhf: RlhfSettings,
        folder: Path,
        remote: str = "",
    ):
        self.answers, self.reward, self.training, self.vlm = answers, reward, training, answers.vlm
        self.budget = AnswerBudget(STAGE, training.answer_tokens)
        self.clock = StepClock()
        self.towers = frozen_towers(self.vlm)
        self.asked: list[int] = []
        self.pixels: dict[str, Any] = {}
        steps = most_steps(len(answers.prompts), training, rlhf)
        arguments = self.configuration(
            **trl_arguments(training, folder, self.vlm),
            per_device_train_batch_size=rlhf.answers_per_microbatch,
            gradient_accumulation_steps=rlhf.group * rlhf.prompts_per_step // rlhf.answers_per_microbatch,
            warmup_steps=round(training.warmup_ratio * steps),
            num_generations=rlhf.group,
            max_completion_length=answers.decoding.max_new_tokens,
            temperature=answers.decoding.temperature,
            top_p=answers.decoding.top_p,
            beta=rlhf.kl,
            mask_truncated_completions=True,
            shuffle_dataset=False,
            **self.own,
        )
        use_one_gpu(arguments)
        super().__init__(
            model=self.vlm.model,
            reward_funcs=self._rewards,
            args=arguments,
            train_dataset=Dataset.from_dict({"place": list(range(steps * rlhf.prompts_per_step))}),
            processing_class=self.vlm.processor,
            callbacks=[self.budget, *trl_callbacks(training, remote)],
        )
        if "ref" in self.model.peft_config:  # a copy of the LoRA at its start, which is the base model: that serves
            self.model.delete_adapter("ref")

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LRScheduler:
        """With a budget of tokens, warm-up and decay go by the tokens: how many steps they take is not known before."""
        if not self.training.answer_tokens:
            return super().create_scheduler(num_training_steps, optimizer)  # type: ignore[misc]
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, self._rate)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def _rate(self, step: int) -> float:
        training = self.training
        return rate_factor(self.budget.learnt, training.answer_tokens, training.warmup_ratio, training.schedule)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """inputs: {"place": int} of every answer that is to be written, those to one prompt next to each other."""
        self.asked = [row["place"] for row in inputs]
        group = self.answers.decoding.samples
        self.prefixes = {place: self.answers.prefix(place) for place in self.asked[::group]}
        pixels = pixel_batch([self.prefixes[place] for place in self.asked], self.vlm.family)
        self.pixels = {name: placed(value, self.vlm) for name, value in pixels.items()}
        self.pixels["num_images"] = [1] * len(self.asked)
        made = super()._generate_and_score_completions(  # type: ignore[misc]
            [{"place": place, "prompt": self.prefixes[place].text} for place in self.asked]
        )
        self._within_budget(made)
        self.budget.learnt += int(made["completion_mask"].sum())
        if not self.budget.learnt and self.asked[-1] + 1 >= len(self.answers.prompts):
            found = self.answers.decoding.max_new_tokens
            raise SettingError("max_new_tokens", found, "enough for an answer to end: none did in a whole pass")
        return {**made, **self.pixels, PLACES: torch.tensor(self.asked)}

    def _within_budget(self, made: dict[str, Any]) -> None:
        """Takes out of the last step's batch the answers that come after the one that reaches the budget: they have
        shown how good the others are, but nothing is learnt from their tokens."""
        if not self.budget.budget:
            return
        lengths = made["completion_mask"].sum(1)
        spent = lengths.cumsum(0) - lengths
        beyond = spent >= self.budget.budget - self.budget.learnt
        for name in ("completion_mask", "advantages", "old_logps"):  # old_logps: RLOO's, of whole answers
            if name in made:
                made[name][beyond] = 0

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """The prefixes' own ids, image tokens included; pixels come in by _get_per_token_logps_and_entropies."""
        return [self.prefixes[place].input_ids.tolist() for place in self.asked], None, {}

    def _sampled(self) -> list[list[int]]:
        return self.answers.sample(list(self.prefixes), list(self.prefixes.values()))

    def _rewards(self, completion_ids: list[list[int]], place: list[int], **others: Any) -> list[float]:
        prompts = [self.answers.prompt(one) for one in place]
        return self.reward(prompts, [self.answers.text(ids) for ids in completion_ids])

    def _get_per_token_logps_and_entropies(self, *given: Any, **named: Any) -> Any:
        """The loss brings the pixels of its micro-batch; what is computed while answers are scored is of all asked."""
        if named.get("pixel_values") is None:
            named = {**named, **self.pixels}
        with evaluating(*self.towers):  # a frozen tower has no dropout, whatever mode the trainer puts it into
            return super()._get_per_token_logps_and_entropies(*given, **named)  # type: ignore[misc]

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """Raises RecordError that names the prompts whose loss is not finite."""
        loss: Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]
        if not torch.isfinite(loss.detach()):
            names = sorted({self.answers.prompt(place)["id"] for place in inputs[PLACES].tolist()})
            problem = f"is {float(loss.detach())} with {names}: lower learning_rate, or look at these prompts"
            raise RecordError(names[0], "loss", problem)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs[LEARNT] = self.budget.learnt
            logs["seconds"] = self.clock.lap()
        super().log(logs, start_time)  # type: ignore[misc]


class GrpoTrainer(OnlineTrainer, GRPOTrainer):
    """Group-relative advantages, the mean over an answer's tokens, KL a token in the loss, as its paper has them."""

    configuration = GRPOConfig
    own: ClassVar[dict[str, Any]] = {"loss_type": "grpo", "scale_rewards": "group"}

    def _generate_single_turn(self, *given: Any, **named: Any) -> tuple[list[list[int]], None]:
        return self._sampled(), None


class RlooTrainer(OnlineTrainer, RLOOTrainer):
    """Advantages against the mean of the others of the group, KL an answer in the reward, as its paper has them."""

    configuration = RLOOConfig

    def _generate_single_turn(self, *given: Any, **named: Any) -> list[list[int]]:
        return self._sampled()


TRAINERS: dict[str, Any] = {"grpo": GrpoTrainer, "rloo": RlooTrainer}
