"""How alike two words are: by a spaCy pipeline's vectors, or equal and not equal."""

from collections.abc import Callable
from typing import Protocol

from groundtune.errors import SettingError


class Likeness(Protocol):
    """name: for the analyser's identity. model: name of the spaCy pipeline whose vectors are compared, "" for none."""

    name: str
    model: str

    def __call__(self, first: str, second: str) -> float:
        """In [-1, 1], 1.0 for equal words."""
        ...


class EqualLemmas:
    """1.0 for words of one lemma, else 0.0."""

    name = "similarity: equal lemmas"
    model = ""

    def __init__(self, lemma: Callable[[str], str]):
        self._lemma = lemma

    def __call__(self, first: str, second: str) -> float:
        return float(first == second or self._lemma(first) == self._lemma(second))


def load_likeness(similarity_model: str, lemma: Callable[[str], str]) -> Likeness:
    """`similarity_model`: a spaCy pipeline with word vectors; "" compares lemmas, and the name says so."""
    if not similarity_model:
        return EqualLemmas(lemma)
    require_spacy("similarity_model", similarity_model)
    from groundtune.text.spacy_likeness import VectorLikeness
    from groundtune.text.spacy_pipelines import load_pipeline

    return VectorLikeness(load_pipeline(similarity_model, "similarity_model"))


def require_spacy(setting: str, model: str) -> None:
    """SettingError of a setting that needs spaCy where it is not installed."""
    from importlib.util import find_spec

    if find_spec("spacy") is None:
        raise SettingError(setting, model, "spaCy installed (pip install 'groundtune[text]')")
