"""The settings of MFPO's own stages: image preferences and the modality probe."""

from collections.abc import Mapping
from dataclasses import dataclass

from groundtune.errors import SettingError
from groundtune.settings.fields import Settings, setting

FINDERS: dict[str, tuple[str, ...]] = {  # finder to the names of the models it needs
    "patch_similarity": ("patch_similarity",),
    "clipseg": ("clipseg",),
    "grounding_dino+sam": ("grounding_dino", "sam"),
    "sam3": ("sam3",),
}


@dataclass(frozen=True)
class ImagePreferenceSettings(Settings):
    """prefer_images: keywords of the chosen answer, their regions, the corrupted image (MFPO)."""

    tagger: str = setting(
        "auto",
        "What finds candidate phrases: spacy (needs `spacy_model`), plain (rules), auto (spacy when installed).",
        choices=("auto", "spacy", "plain"),
    )
    spacy_model: str = setting(
        "en_core_web_sm", "Installed spaCy pipeline with a part-of-speech tagger, by its import name."
    )
    keywords_per_answer: int = setting(4, "k, keywords taken from a chosen answer.", low=1)
    distance_exponent: float = setting(
        1.0, "phi in the edge weight 1 / (1 + |l_i - l_j|^phi).", source="MFPO (value ours)", low=0.0
    )
    position_decay: float = setting(
        0.02, "lambda in exp(-lambda * l_i): words early in the answer weigh more.", source="MFPO (value ours)", low=0.0
    )
    damping: float = setting(0.85, "Damping of PageRank.", source="MFPO (value ours)", low=0.0, high=1.0)
    topic_threshold: float = setting(
        0.5, "Phrases whose words overlap by at least this share are one topic.", low=0.01, high=1.0
    )
    finder: str = setting("patch_similarity", "What finds a phrase in the image.", choices=tuple(FINDERS))
    patch_features: str = setting(
        "value",
        "patch_similarity: value path of the last layer, for ordinary CLIPs, whose output patches tell no places; "
        "output, for a CLIP that was trained on its patches.",
        choices=("value", "output"),
    )
    least_score: float = setting(
        0.5, "A keyword whose region scores less counts as not found.", unit="the finder's [0, 1]", low=0.0, high=1.0
    )
    mask_threshold: float = setting(
        0.5, "A pixel belongs to the region from this score on.", unit="the finder's [0, 1]", low=0.0, high=1.0
    )
    phrase_template: str = setting(
        "{phrase}", "Text that the finder reads for a keyword, e.g. 'a photo of a {phrase}'."
    )
    largest_region: float = setting(
        0.95, "A mask that covers more than this share of the image counts as the whole image.", low=0.0, high=1.0
    )
    max_whole_share: float = setting(
        1.0, "The stage stops when more than this share of the pairs falls back to the whole image.", low=0.0, high=1.0
    )
    region: str = setting(
        "keyword",
        "What is corrupted: the keywords' regions, the whole image, or a random region of the same area (ablations).",
        source="MFPO (keyword)",
        choices=("keyword", "whole", "random"),
    )
    corruption: str = setting(
        "diffusion",
        "How: forward diffusion, Gaussian blur, or the mean of what surrounds the region (ablations).",
        source="MFPO (diffusion)",
        choices=("diffusion", "blur", "mean"),
    )
    noise_step: int = setting(500, "Diffusion step t, 0 to 999.", source="MFPO (best 500)", low=0, high=999)
    blur_radius: float = setting(
        0.1, "Standard deviation of the blur.", unit="share of the image's longer side", low=0.001, high=1.0
    )
    seed: int = setting(0, "The noise of a pair follows from it and the pair's id.", low=0)
    pairs_per_batch: int = setting(16, "Images that the finder sees together.", unit="pairs", low=1)
    pairs_per_part: int = setting(64, "Pairs in one part, the unit of resuming.", unit="pairs", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "{phrase}" not in self.phrase_template:
            raise SettingError("phrase_template", self.phrase_template, "a text that holds {phrase}")

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the checkpoints that the finder needs, keys of `region_models`."""
        return FINDERS[self.finder]

    def checkpoints(self, region_models: Mapping[str, str], scorers: Mapping[str, str] | None) -> dict[str, str]:
        """What the finder needs, "" where nothing is given; patch_similarity takes the contrastive scorer when it has
        no checkpoint of its own."""
        given = {"patch_similarity": (scorers or {}).get("contrastive", ""), **region_models}
        return {name: given.get(name) or "" for name in self.models}


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """probe_modality: does the answer depend on the image? (MFPO's motivating measurement)"""

    questions: int = setting(
        150, "Yes/no questions about things that are there; 0 leaves them out.", unit="questions", low=0
    )
    captions: int = setting(60, "Images to describe; 0 leaves captions out.", unit="images", low=0)
    pairs: int = setting(100, "Preference pairs for the reward split; 0 leaves it out.", unit="pairs", low=0)
    noise_step: int = setting(900, "Diffusion step of the destroyed image and of destroyed regions.", low=0, high=999)
    max_new_tokens: int = setting(128, "Longest caption.", unit="tokens", low=1)
    questions_per_batch: int = setting(
        32,
        "Questions, captions or pairs answered together, each under its two to four images; the unit of resuming.",
        unit="questions",
        low=1,
    )
    bootstrap_resamples: int = setting(1000, "Resamples of a confidence interval.", low=10)
    seed: int = setting(0, "Seed of noise, sampling of questions and bootstrap.", low=0)
