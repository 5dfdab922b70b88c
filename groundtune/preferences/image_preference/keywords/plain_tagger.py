"""Noun phrases without a model, by the plain rules for English captions (ours)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundtune.preferences.image_preference.keywords.phrases import Phrase, join_phrases
from groundtune.preferences.image_preference.keywords.word_similarity import TRIGRAMS, trigram_cosines
from groundtune.text.placed_words import words_of
from groundtune.text.plain_kinds import VERSION, kinds_of


class PlainTagger:
    """A phrases.Tagger of the rules of `text.plain_kinds`."""

    name = f"{VERSION}, {TRIGRAMS}"

    def phrases(self, texts: Sequence[str]) -> list[list[Phrase]]:
        found = []
        for text in texts:
            words = words_of(text)
            found.append(join_phrases(words, kinds_of(words)))
        return found

    def cosines(self, phrases: Sequence[Phrase]) -> NDArray[np.float64]:
        return trigram_cosines([phrase.text for phrase in phrases])
