"""Noun phrases by a spaCy pipeline's part-of-speech tags (ours). Only what tags is run: no parser, no entities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, Token

from groundtune.preferences.image_preference.keywords.phrases import Phrase, join_phrases
from groundtune.preferences.image_preference.keywords.word_similarity import TRIGRAMS, trigram_cosines, vector_cosines
from groundtune.text.placed_words import Kind, PlacedWord, words_of
from groundtune.text.spacy_pipelines import load_pipeline, require_tags, title_of

_NOT_NEEDED = ("parser", "ner", "lemmatizer", "senter", "entity_ruler", "entity_linker", "textcat")
_BATCH = 128  # texts that the pipeline tags together


class SpacyTagger:
    """A phrases.Tagger. Its cosines are those of the pipeline's word vectors, or of letter trigrams if it has none."""

    def __init__(self, pipeline: Language):
        """pipeline: any that sets part-of-speech tags, universal (`pos`) or Penn (`tag`); else SettingError."""
        require_tags(pipeline)
        self._pipeline = pipeline
        self._has_vectors = pipeline.vocab.vectors.size > 0
        self.name = f"{title_of(pipeline)}, {'its vectors' if self._has_vectors else TRIGRAMS}"

    def phrases(self, texts: Sequence[str]) -> list[list[Phrase]]:
        found = []
        for text, doc in zip(texts, self._pipeline.pipe(texts, batch_size=_BATCH), strict=True):
            words = words_of(text)
            found.append(join_phrases(words, _kinds(words, doc)))
        return found

    def cosines(self, phrases: Sequence[Phrase]) -> NDArray[np.float64]:
        if not self._has_vectors:
            return trigram_cosines([phrase.text for phrase in phrases])
        return vector_cosines(np.stack([self._vector(phrase) for phrase in phrases]))

    def _vector(self, phrase: Phrase) -> NDArray[np.float64]:
        """[D] mean over the phrase's words."""
        words = [np.asarray(self._pipeline.vocab.get_vector(word), np.float64) for word in phrase.text.split(" ")]
        vector: NDArray[np.float64] = np.mean(words, axis=0)
        return vector


def load_spacy(model: str) -> SpacyTagger:
    """model: an installed pipeline package or a folder that spaCy saved. SettingError when it cannot be used."""
    return SpacyTagger(load_pipeline(model, "spacy_model", without=_NOT_NEEDED))


def _kinds(words: Sequence[PlacedWord], doc: Doc) -> list[Kind]:
    """A word of ours is what its last token is: spaCy cuts "t-shirt" in three and "isn't" in two."""
    kinds = []
    tokens = iter(doc)
    token = next(tokens, None)
    for word in words:
        last = None
        while token is not None and token.idx < word.end:
            if token.idx >= word.start:
                last = token
            token = next(tokens, None)
        kinds.append(_kind(last) if last is not None else Kind.OTHER)
    return kinds


def _kind(token: Token) -> Kind:
    if token.pos_:
        return _UNIVERSAL.get(token.pos_, Kind.OTHER)
    return _PENN.get(token.tag_[:2], Kind.OTHER)


_UNIVERSAL = {"ADJ": Kind.ADJECTIVE, "NOUN": Kind.NOUN, "PROPN": Kind.NOUN}
_PENN = {"JJ": Kind.ADJECTIVE, "NN": Kind.NOUN}
