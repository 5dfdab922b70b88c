"""The settings of training: the objective's weights, the curriculum, LoRA and the optimizer."""

from dataclasses import dataclass

from groundtune.errors import SettingError
from groundtune.settings.feature_cache import feature_cache_limit
from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """train_dpo: LoRA with DPO (M3PO step 4) and MFPO's margin and image terms."""

    text_weight: float = setting(
        1.0, "Weight of L_text = -log sigma(r(chosen) - r(rejected)).", source="MFPO (ratio 1:1:1)", low=0.0
    )
    image_weight: float = setting(
        1.0,
        "Weight of L_image = -log sigma(r(chosen | image) - r(chosen | corrupted)); counts with image pairs only.",
        source="MFPO (ratio 1:1:1)",
        low=0.0,
    )
    beta: float = setting(0.1, "Scale of the implicit reward.", source="ours (both papers are silent)", low=1e-6)
    anchor_weight: float = setting(
        1.0,
        "Weight of L_margin = -log sigma(r(chosen) - eta), the guard against likelihood displacement; 0 = plain DPO.",
        source="MFPO (ratio 1:1:1)",
        low=0.0,
    )
    eta: float = setting(
        0.0, "The reward that the anchor asks of the chosen answer.", source="MFPO (best 0)", unit="nats"
    )
    curriculum: str = setting(
        "easy_to_hard",
        "Order of the pairs' curriculum stages (selection.curriculum_stages); the others are ablations.",
        source="MFPO (easy to hard)",
        choices=("easy_to_hard", "hard_to_easy", "shuffled"),
    )
    restart_schedule: bool = setting(False, "Warm-up and decay anew in each curriculum stage; off, one schedule.")
    refresh_reference: bool = setting(
        False, "The model at the start of each further curriculum stage is that stage's reference."
    )
    adaptive_weight: float = setting(
        0.0,
        "g of the weight (2 sigma(-m))^g that a pair gets by the policy's reward margin m at that moment: what it has "
        "learnt weighs less; 0 weighs all alike.",
        low=0.0,
    )
    learning_rate: float = setting(1e-5, "Peak learning rate (LLaVA-1.5-7B practice).", low=0.0)
    schedule: str = setting("cosine", "Learning-rate schedule after warm-up.", choices=("cosine", "linear", "constant"))
    warmup_ratio: float = setting(0.1, "Share of the steps that warm up.", low=0.0, high=1.0)
    weight_decay: float = setting(0.0, "AdamW weight decay.", low=0.0)
    max_grad_norm: float = setting(1.0, "Gradient clipping.", low=0.0)
    epochs: int = setting(1, "Passes over the pairs.", low=1)
    answer_tokens: int = setting(
        0,
        "Train until this many tokens of answers were learnt from (chosen, rejected, and chosen under the corrupted "
        "image), whatever `epochs` says: the equal budget of a comparison; 0 goes by epochs.",
        unit="tokens",
        low=0,
    )
    pairs_per_step: int = setting(32, "Pairs in one optimizer step.", unit="pairs", low=1)
    pairs_per_microbatch: int = setting(
        4, "Pairs in one forward and backward pass; gradients add up to pairs_per_step.", unit="pairs", low=1
    )
    gradient_checkpointing: bool = setting(
        False, "Compute activations again in the backward pass: a third more time, a fraction of the memory."
    )
    lora_rank: int = setting(64, "LoRA rank r.", low=1)
    lora_alpha: int = setting(128, "LoRA alpha.", low=1)
    lora_dropout: float = setting(0.0, "LoRA dropout; 0 keeps cached and live log-probs equal.", low=0.0, high=0.9)
    lora_targets: tuple[str, ...] = setting(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        "Linear layers of the language model that get LoRA.",
    )
    feature_cache: int = feature_cache_limit()
    reference_sample: int = setting(
        16, "Pairs, drawn by the seed, whose reference is computed again and compared first.", unit="pairs", low=1
    )
    checkpoint_every: int = setting(50, "Optimizer steps between checkpoints.", unit="steps", low=1)
    seed: int = setting(0, "Seed of LoRA initialisation and of the order of pairs.", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs_per_step % self.pairs_per_microbatch:
            raise SettingError(
                "pairs_per_microbatch", self.pairs_per_microbatch, f"a divisor of pairs_per_step={self.pairs_per_step}"
            )

    def microbatch_of(self, processes: int) -> int:
        """Pairs in a micro-batch of each of `processes`: pairs_per_microbatch, or the largest smaller number that
        divides a process's share of the step. Raises SettingError when the step cannot be shared out evenly."""
        if self.pairs_per_step % processes:
            raise SettingError("pairs_per_step", self.pairs_per_step, f"a multiple of the {processes} processes")
        share = self.pairs_per_step // processes
        return next(size for size in range(min(self.pairs_per_microbatch, share), 0, -1) if share % size == 0)
