"""The settings that only baselines need: a reward model, and reinforcement learning from it."""

from dataclasses import dataclass

from groundtune.errors import SettingError
from groundtune.settings.feature_cache import feature_cache_limit
from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class RewardSettings(Settings):
    """score_reward: a reward head on the model's own hidden states, learnt from MAS-labelled pairs of the prompts that
    selection.held_out_share sets aside (Bradley-Terry)."""

    margin: float = setting(
        0.05,
        "Least difference of MAS of two answers that the head learns to order.",
        unit="calibrated MAS",
        low=0.0,
        high=1.0,
    )
    pooling: str = setting(
        "mean", "The answer's hidden state: of its last token, or the mean over its tokens.", choices=("last", "mean")
    )
    epochs: int = setting(400, "Most passes over the pairs, a step each; that of least validation loss stays.", low=1)
    learning_rate: float = setting(0.1, "AdamW learning rate of the head, of any width.", low=0.0)
    weight_decay: float = setting(1e-2, "AdamW weight decay of the head.", low=0.0)
    validation_share: float = setting(
        0.2,
        "Share of the held-out prompts that the head does not learn from: accuracy and the stop.",
        low=0.05,
        high=0.5,
    )
    token_budget: int = setting(16384, "Tokens of one forward pass.", unit="tokens", low=64)
    feature_cache: int = feature_cache_limit()
    prompts_per_part: int = setting(64, "Prompts in one part, the unit of resuming.", unit="prompts", low=1)
    seed: int = setting(0, "Seed of the split into prompts to learn from and to validate on.", low=0)


@dataclass(frozen=True)
class RlhfSettings(Settings):
    """Simulated RLHF: answers are sampled while the model learns, MAS is their reward (TRL). Learning rate, LoRA, the
    number of answer tokens and the seed are those of `training`, decoding is that of `sampling`."""

    algorithm: str = setting("grpo", "TRL's trainer.", choices=("grpo", "rloo"))
    kl: float = setting(0.04, "Weight of the KL divergence to the base model.", unit="1/nats", low=0.0)
    group: int = setting(8, "Answers sampled to one prompt, among which the reward is compared.", low=2)
    prompts_per_step: int = setting(4, "Prompts of one optimizer step.", unit="prompts", low=1)
    answers_per_microbatch: int = setting(4, "Answers in one forward and backward pass.", unit="answers", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group * self.prompts_per_step % self.answers_per_microbatch:
            raise SettingError(
                "answers_per_microbatch",
                self.answers_per_microbatch,
                f"a divisor of group * prompts_per_step={self.group * self.prompts_per_step}",
            )
