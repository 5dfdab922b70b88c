"""The settings of evaluations."""

from dataclasses import dataclass

from groundtune.settings.feature_cache import feature_cache_limit
from groundtune.settings.fields import Settings, setting


@dataclass(frozen=True)
class EvaluationSettings(Settings):
    """evaluate: benchmarks of a model, with or without an adapter."""

    benchmarks: dict[str, str] = setting(
        {}, "Benchmark name to its question file or its folder of published files, below the root of the questions."
    )
    image_folders: dict[str, str] = setting(
        {}, "Benchmark name to the folder of its images, where that is neither beside its questions nor `images`."
    )
    allow_missing: bool = setting(
        False, "Leave out questions whose image is missing or unreadable, and count them; off, the first one stops."
    )
    max_rejected_share: float = setting(
        0.05, "The evaluation stops when more than this share of a benchmark is left out.", low=0.0, high=1.0
    )
    limit: int = setting(0, "Ask only the first N questions of each benchmark; 0 asks all.", low=0)
    max_new_tokens: int = setting(256, "Longest caption or open answer.", unit="tokens", low=1)
    max_yes_no_tokens: int = setting(8, "Longest answer to a yes/no question.", unit="tokens", low=1)
    yes_no_answers: str = setting(
        "generation",
        "How yes/no questions are answered: generation (what the published scores are of), p_yes (the likelier of yes "
        "and no in one pass, reported as such), or both.",
        choices=("generation", "p_yes", "both"),
    )
    yes_no_suffix: str = setting(
        "",
        "Line added below every yes/no question; LLaVA's own evaluation adds "
        "'Answer the question using a single word or phrase.'",
        source="ours (LLaVA's is not the default)",
    )
    vocabulary: str = setting(
        "",
        "Objects that chair knows, below the root: JSON of names to their surface forms, or COCO's synonym table.",
    )
    text_analysis: str = setting(
        "plain",
        "What finds words, nouns and lemmas in an answer: plain (rules, not the official one), spacy, nltk (official).",
        choices=("plain", "spacy", "nltk"),
    )
    spacy_model: str = setting("en_core_web_sm", "spaCy pipeline of text_analysis spacy: a package or a folder.")
    nltk_data: str = setting("", "NLTK's data folder (tagger, tokeniser) of text_analysis nltk.")
    wordnet: str = setting("", 'Folder of WordNet\'s files; "" looks in nltk_data and in /usr/share/wordnet.')
    similarity_model: str = setting(
        "", 'spaCy pipeline with word vectors for AMBER\'s similarity (official: en_core_web_lg); "" wants equal words.'
    )
    questions_per_batch: int = setting(128, "Questions answered together.", unit="questions", low=1)
    cache_tokens: int = setting(
        65536, "Tokens that the key-value cache may hold; 0.5 MiB each for a 7B model.", unit="tokens", low=64
    )
    feature_cache: int = feature_cache_limit()
    questions_per_part: int = setting(1024, "Questions in one part, the unit of resuming.", unit="questions", low=1)
    questions_per_slice: int = setting(
        4096, "Questions that one task of the pipeline `evaluate` answers.", unit="questions", low=1
    )
    bootstrap_resamples: int = setting(1000, "Resamples of a confidence interval.", low=10)
    interval: float = setting(0.95, "Coverage of a confidence interval.", low=0.5, high=0.999)
    seed: int = setting(0, "Seed of the bootstrap.", low=0)
