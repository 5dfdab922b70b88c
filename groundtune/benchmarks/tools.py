"""What benchmarks read files and answers with."""

from dataclasses import dataclass

from groundtune import storage
from groundtune.settings import EvaluationSettings


@dataclass(frozen=True)
class Tools:
    """vocabulary: path or s3 URI of the objects that `chair` knows, "" for none. The others: EvaluationSettings."""

    vocabulary: str = ""
    text_analysis: str = "plain"
    spacy_model: str = ""
    nltk_data: str = ""
    wordnet: str = ""
    similarity_model: str = ""


NO_TOOLS = Tools()


def tools_of(root: str, settings: EvaluationSettings) -> Tools:
    """root: where the questions are; the vocabulary's place is relative to it."""
    return Tools(
        storage.join(root, settings.vocabulary) if settings.vocabulary else "",
        settings.text_analysis,
        settings.spacy_model,
        settings.nltk_data,
        settings.wordnet,
        settings.similarity_model,
    )
