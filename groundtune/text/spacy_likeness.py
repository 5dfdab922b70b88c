"""Cosines of word vectors as spaCy itself computes them (AMBER's similarity, with en_core_web_lg)."""

from spacy.language import Language
from spacy.tokens import Doc

from groundtune.errors import SettingError
from groundtune.text.spacy_pipelines import name_of, title_of


class VectorLikeness:
    """Cosine of the mean vectors of two words or names; 0.0 where either has no vector, 1.0 for equal words.

    SettingError names `similarity_model` when the pipeline has no vectors: features for tags do not measure meaning.
    """

    def __init__(self, pipeline: Language):
        vectors = pipeline.vocab.vectors
        if vectors.size == 0:
            raise SettingError(
                "similarity_model",
                title_of(pipeline),
                "a spaCy pipeline with word vectors (en_core_web_md or _lg; the _sm pipelines have none)",
            )
        self._pipeline = pipeline
        self.model = name_of(pipeline)
        self.name = f"similarity: vectors of {title_of(pipeline)} ({vectors.shape[0]} x {vectors.shape[1]})"
        self._docs: dict[str, Doc] = {}
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, first: str, second: str) -> float:
        if first == second:
            return 1.0
        key = (first, second) if first < second else (second, first)
        found = self._known.get(key)
        if found is None:
            one, other = self._doc(key[0]), self._doc(key[1])
            found = float(one.similarity(other)) if one.vector_norm and other.vector_norm else 0.0
            self._known[key] = found
        return found

    def _doc(self, word: str) -> Doc:
        doc = self._docs.get(word)
        if doc is None:
            doc = self._docs[word] = self._pipeline.make_doc(word)
        return doc
