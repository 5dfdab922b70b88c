"""The settings of every stage. "ours" marks what the papers leave open; see docs/reference/settings.md."""

from dataclasses import dataclass

from groundtune.errors import SettingError
from groundtune.settings.feature_cache import feature_cache_limit
from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class PrepareSettings(Settings):
    """prepare_prompts: what is accepted as input."""

    max_image_pixels: int = setting(
        64_000_000, "Images with more pixels are rejected before they are decoded.", unit="pixels", low=1
    )
    allow_http_images: bool = setting(False, "Fetch http(s) image references; off, they are rejected.")
    max_rejected_share: float = setting(
        0.05, "The run stops when more than this share of the rows is rejected.", low=0.0, high=1.0
    )
    max_instruction_characters: int = setting(8192, "Longer instructions are rejected.", unit="characters", low=1)
    limit: int = setting(0, "Use only the first N prompts; 0 uses all.", unit="prompts", low=0)
    rows_per_part: int = setting(2048, "Rows in one Parquet part, the unit of resuming.", unit="rows", low=1)


@dataclass(frozen=True)
class SamplingSettings(Settings):
    """sample_candidates: the pool of K answers a prompt (M3PO step 1)."""

    engine: str = setting(
        "transformers",
        "What writes the answers: transformers runs everywhere; vllm needs its own image (docs/vllm.md).",
        choices=("transformers", "vllm"),
    )
    gpu_memory_utilization: float = setting(
        0.9, "Share of the GPU's memory that engine vllm takes for weights and cache.", low=0.05, high=1.0
    )
    num_candidates: int = setting(
        8, "K, answers sampled a prompt (M3PO does not state K); 0 when prompts bring their own.", low=0, high=256
    )
    temperature: float = setting(1.0, "Sampling temperature.", low=0.01, high=10.0)
    top_p: float = setting(0.95, "Nucleus mass.", low=0.01, high=1.0)
    max_new_tokens: int = setting(256, "Longest answer.", unit="tokens", low=1)
    cache_tokens: int = setting(
        65536, "Tokens that the key-value cache may hold; 0.5 MiB each for a 7B model.", unit="tokens", low=64
    )
    feature_cache: int = feature_cache_limit()
    prompts_per_part: int = setting(
        128, "Prompts in one part, the unit of resuming; they are sampled together.", unit="prompts", low=1
    )
    seed: int = setting(0, "Every candidate's random numbers follow from it, the prompt id and k.", low=0)


@dataclass(frozen=True)
class AlignmentScoreSettings(Settings):
    """score_alignment and combine_scores: MAS, how well an answer fits the picture (M3PO step 2)."""

    scorer_weights: dict[str, float] = setting(
        {"contrastive": 1.0}, "Scorers of MAS and their weights: contrastive (CLIP/SigLIP), claims (an LVLM)."
    )
    sentence_min_weight: float = setting(
        0.5,
        "Weight of the worst sentence against the mean of all: one hallucinated sentence must show.",
        low=0.0,
        high=1.0,
    )
    calibration: str = setting("logistic", "How raw scores become [0, 1] over the run.", choices=("logistic", "rank"))
    claim_template: str = setting(
        'Is this statement true of the image? "{sentence}" Answer yes or no.', "Question of the claims scorer."
    )
    sentence_template: str = setting("{sentence}", "Text that the contrastive scorer reads for a sentence.")
    images_per_batch: int = setting(16, "Images scored together.", unit="images", low=1)
    prompts_per_part: int = setting(64, "Prompts in one part, the unit of resuming.", unit="prompts", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("contrastive", "claims")
        for name, weight in self.scorer_weights.items():
            if name not in known:
                raise SettingError("scorer_weights", name, f"scorers out of {', '.join(known)}")
            if weight < 0:
                raise SettingError(f"scorer_weights.{name}", weight, "at least 0")
        if not sum(self.scorer_weights.values()) > 0:
            raise SettingError("scorer_weights", self.scorer_weights, "at least one weight above 0")
        for name in ("claim_template", "sentence_template"):
            if "{sentence}" not in getattr(self, name):
                raise SettingError(name, getattr(self, name), "a text that holds {sentence}")

    @property
    def weighted(self) -> list[str]:
        """Names of the scorers whose weight is above 0, sorted."""
        return sorted(name for name, weight in self.scorer_weights.items() if weight > 0)


@dataclass(frozen=True)
class ConfidenceSettings(Settings):
    """score_confidence: the model's own log-probability of each candidate (M3PO step 2), and pool entropy (MFPO)."""

    entropy_clusters: str = setting(
        "meaning",
        "What the pool's entropy is over: answers of one meaning (the same content words, whatever the order of "
        "sentences); claims, sentence by sentence, for long answers that never agree as wholes; exact texts.",
        source="MFPO (clustering ours)",
        choices=("meaning", "claims", "exact"),
    )
    meaning_threshold: float = setting(
        0.8, "Shared content words from which two sentences say the same.", unit="Jaccard index", low=0.0, high=1.0
    )
    token_budget: int = setting(16384, "Tokens of one forward pass; none of them is padding.", unit="tokens", low=64)
    feature_cache: int = feature_cache_limit()
    prompts_per_part: int = setting(64, "Prompts in one part, the unit of resuming.", unit="prompts", low=1)


@dataclass(frozen=True)
class SelectionSettings(Settings):
    """select_pairs: the M3P-Score (M3PO step 3; the formula is ours, docs/methods.md), the user's own preferences,
    or the pairs of a baseline."""

    source: str = setting(
        "m3p",
        "m3p: pairs of sampled answers by the M3P-Score; random: two random answers of a pool, ordered by their score "
        "(vanilla DPO); given: `chosen` and `rejected` of the prompt file.",
        choices=("m3p", "random", "given"),
    )
    score_by: str = setting("mas", "What says which answer is better: mas, or one scorer by its name, e.g. reward.")
    agreement: float = setting(
        0.0, "Least share of the scorers that must rank chosen above rejected; 0 asks none.", low=0.0, high=1.0
    )
    lambda_: float = setting(0.2, "Weight of confidence in M3P+, which picks the preferred answer.", low=0.0)
    mu: float = setting(
        0.5, "Weight of confidence in M3P-, which picks the hard dispreferred answer.", low=0.0, high=1.0
    )
    margin: float = setting(
        0.1,
        "Least MAS(preferred) - MAS(dispreferred); must exceed the scorer's noise.",
        unit="calibrated MAS",
        low=0.0,
        high=1.0,
    )
    confidence_scale: str = setting("rank", "How confidence becomes [0, 1] inside a pool.", choices=("rank", "softmax"))
    pairs_per_prompt: int = setting(1, "Most pairs taken from one pool, each with another dispreferred answer.", low=1)
    keep_fraction: float = setting(
        1.0, "Share of prompts kept, ranked by gap~ + mu * c~(dispreferred).", low=0.0, high=1.0
    )
    require_finished: bool = setting(
        True, "Leave out answers cut at max_new_tokens: as a chosen answer they teach not to end."
    )
    max_pairs: int = setting(
        0, "Keep at most N pairs of that ranking, of random pairs any N; 0 keeps all.", unit="pairs", low=0
    )
    held_out_share: float = setting(
        0.0, "Share of the prompts that give no pairs: a reward model learns from them.", low=0.0, high=0.9
    )
    first_candidates: int = setting(0, "Use only the first K of each pool's samples; 0 uses all.", low=0)
    score_noise: float = setting(
        0.0,
        "For experiments: standard deviation of the noise added to every answer's score before anything is chosen.",
        unit="calibrated MAS",
        low=0.0,
    )
    seed: int = setting(0, "Seed of random pairs, of the held-out prompts and of the noise.", low=0)
    curriculum_stages: int = setting(
        1, "Stages of equal size by rising pool entropy, easy to hard; 1 makes none.", source="MFPO (thirds)", low=1
    )
    max_undefined_entropy: float = setting(
        0.05,
        "With a curriculum, the run stops when more than this share of pairs has no pool entropy.",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class RegistrySettings(Settings):
    """register_adapter: the entry in the MLflow model registry."""

    model_name: str = setting("groundtune", "Name of the registered model.")
    alias: str = setting("challenger", "Alias that the new version gets.")
    bundle_base: bool = setting(
        False, "Store the base checkpoint inside the version; off, it refers to it by place and digest."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alias in ("champion", "previous"):
            raise SettingError("alias", self.alias, "another one: who is champion is said by promotion", "registry")
