"""Text analysis by a spaCy pipeline: its tokens, tags and lemmas. Not the official analyser of any benchmark here."""

from spacy.language import Language
from spacy.tokens import Doc, Token

from groundtune.text.analysis import TextAnalyser, Word
from groundtune.text.likeness import Likeness, load_likeness
from groundtune.text.plurals import LEMMATISER, likely_singular
from groundtune.text.spacy_likeness import VectorLikeness
from groundtune.text.spacy_pipelines import load_pipeline, require_tags, title_of

_NOT_NEEDED = ("parser", "ner", "senter", "entity_ruler", "entity_linker", "textcat")
_PENN = {"NOUN": "NN", "PROPN": "NNP", "ADJ": "JJ"}  # of pipelines that set universal tags only


class SpacyAnalyser(TextAnalyser):
    """Lemmas by the pipeline's lemmatiser, every word taken as a noun; by plural rules where it has none.

    Similarity: `similarity_model` when given, else the pipeline's own vectors, else equal lemmas. The name tells which.
    """

    def __init__(self, pipeline: Language, similarity_model: str = ""):
        """pipeline: any that tags parts of speech; else SettingError names `spacy_model`."""
        require_tags(pipeline)
        self._pipeline = pipeline
        self._lemmatiser = pipeline.get_pipe("lemmatizer") if pipeline.has_pipe("lemmatizer") else None
        self._lemmas: dict[str, str] = {}
        self._likeness: Likeness
        if not similarity_model and pipeline.vocab.vectors.size:
            self._likeness = VectorLikeness(pipeline)
        else:
            self._likeness = load_likeness(similarity_model, self.lemma)
        lemmas = "its lemmas" if self._lemmatiser else LEMMATISER
        self.name = f"{title_of(pipeline)} (not official): its tokens and tags, {lemmas}, {self._likeness.name}"

    def tokens(self, text: str) -> list[str]:
        return [token.text for token in self._pipeline.make_doc(text) if not token.is_space]

    def words(self, text: str) -> list[Word]:
        doc = self._pipeline(text)
        return [Word(token.text, _tag(token), self.lemma(token.text)) for token in doc if not token.is_space]

    def lemma(self, word: str) -> str:
        found = self._lemmas.get(word)
        if found is None:
            found = self._lemmas[word] = self._looked_up(word)
        return found

    def _looked_up(self, word: str) -> str:
        if self._lemmatiser is None or not word.strip():
            return likely_singular(word)
        doc = Doc(self._pipeline.vocab, words=[word], tags=["NN"], pos=["NOUN"])
        return self._lemmatiser(doc)[0].lemma_ or word

    def similarity(self, first: str, second: str) -> float:
        return self._likeness(first, second)


def load_spacy_analyser(spacy_model: str, similarity_model: str = "") -> SpacyAnalyser:
    """spacy_model: an installed pipeline package or a folder that spaCy saved."""
    return SpacyAnalyser(load_pipeline(spacy_model, "spacy_model", without=_NOT_NEEDED), similarity_model)


def _tag(token: Token) -> str:
    return token.tag_ or _PENN.get(token.pos_, token.pos_ or "XX")
