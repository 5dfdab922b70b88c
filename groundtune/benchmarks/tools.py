"""What benchmarks read files and answers with."""

from dataclasses import dataclass
from functools import cached_property

from groundtune import storage
from groundtune.settings import EvaluationSettings
from groundtune.text.analysis import TextAnalyser
from groundtune.text.load import load_analyser


@dataclass(frozen=True)
class Tools:
    """vocabulary: path or s3 URI of the objects that `chair` knows, "" for none. The others: EvaluationSettings."""

    vocabulary: str = ""
    text_analysis: str = "plain"
    spacy_model: str = ""
    nltk_data: str = ""
    wordnet: str = ""
    similarity_model: str = ""

    @cached_property
    def analyser(self) -> TextAnalyser:
        """What cuts, tags and lemmatises answers, loaded when first asked for. Raises SettingError."""
        return load_analyser(self.text_analysis, self.spacy_model, self.nltk_data, self.wordnet, self.similarity_model)


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
