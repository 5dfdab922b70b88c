"""Which tagger the settings ask for."""

from importlib.util import find_spec

from groundtune.errors import SettingError
from groundtune.preferences.image_preference.keywords.phrases import Tagger
from groundtune.preferences.image_preference.keywords.plain_tagger import PlainTagger
from groundtune.settings.image_preference import ImagePreferenceSettings


def load_tagger(settings: ImagePreferenceSettings) -> Tagger:
    """`tagger` "auto" is spaCy where it and `spacy_model` are installed, else the plain rules; Tagger.name tells which.

    SettingError names `spacy_model` when "spacy" is asked for and spaCy or the model is missing, and whenever the model
    is there but cannot be used.
    """
    if settings.tagger == "plain":
        return PlainTagger()
    if find_spec("spacy") is None:
        if settings.tagger == "auto":
            return PlainTagger()
        raise SettingError(
            "spacy_model", settings.spacy_model, "spaCy installed (pip install 'groundtune[text]'), or tagger=plain"
        )
    from groundtune.preferences.image_preference.keywords import spacy_tagger
    from groundtune.text.spacy_pipelines import is_installed

    if settings.tagger == "auto" and not is_installed(settings.spacy_model):
        return PlainTagger()
    return spacy_tagger.load_spacy(settings.spacy_model)
