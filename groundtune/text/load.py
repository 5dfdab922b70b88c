"""Which text analyser the settings ask for."""

from importlib.util import find_spec

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.text.analysis import TextAnalyser
from groundtune.text.likeness import require_spacy
from groundtune.text.plain import PlainAnalyser

ANALYSERS = ("plain", "spacy", "nltk")


def load_analyser(
    name: str, spacy_model: str = "", nltk_data: str = "", wordnet: str = "", similarity_model: str = ""
) -> TextAnalyser:
    """name: one of ANALYSERS, the setting `text_analysis`; the others are the settings of their names: installed
    packages, folders or s3:// prefixes.

    `plain` takes none of them: its name says that it compares lemmas. SettingError names the setting whose value cannot
    be used: no such analyser, package not installed, model or file not there, a similarity model without vectors.
    """
    if name == "plain":
        return PlainAnalyser()
    spacy_model, nltk_data, wordnet, similarity_model = (
        str(storage.local_folder(place)) if storage.is_s3(place) else place
        for place in (spacy_model, nltk_data, wordnet, similarity_model)
    )
    if name == "spacy":
        require_spacy("spacy_model", spacy_model)
        from groundtune.text.spacy_analyser import load_spacy_analyser

        return load_spacy_analyser(spacy_model, similarity_model)
    if name == "nltk":
        if find_spec("nltk") is None:
            raise SettingError("text_analysis", name, "NLTK installed (pip install 'groundtune[text]'), or plain")
        from groundtune.text.nltk_analyser import NltkAnalyser

        return NltkAnalyser(nltk_data, wordnet, similarity_model)
    raise SettingError("text_analysis", name, f"one of {', '.join(ANALYSERS)}")
