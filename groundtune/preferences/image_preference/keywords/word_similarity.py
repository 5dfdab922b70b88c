"""How alike the words of phrases are: cosine of word vectors, or of letter trigrams where there are none (ours).

The paper asks for the "cosine similarity of words" and leaves the vectors open.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TRIGRAMS = "trigrams-1"


def trigram_cosines(texts: Sequence[str]) -> NDArray[np.float64]:
    """[N, N] float64 in [0, 1]: cosine of the counts of each text's letter trigrams, word by word with its borders.

    It sees spelling only: "dog" and "dogs" are alike, "dog" and "puppy" have nothing in common.
    """
    counts = [_trigrams(text) for text in texts]
    columns = {gram: column for column, gram in enumerate(dict.fromkeys(gram for count in counts for gram in count))}
    vectors = np.zeros((len(texts), len(columns)))
    for row, count in enumerate(counts):
        for gram, times in count.items():
            vectors[row, columns[gram]] = times
    return vector_cosines(vectors)


def vector_cosines(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """[N, D] to [N, N] float64 in [-1, 1]. A vector of zeros (no word is known) is like itself only."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    units = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    cosines: NDArray[np.float64] = np.clip(units @ units.T, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    return cosines


@lru_cache(maxsize=65536)
def _trigrams(text: str) -> Counter[str]:
    grams: Counter[str] = Counter()
    for word in text.split(" "):
        bordered = f"^{word}$"
        grams.update(bordered[start : start + 3] for start in range(len(bordered) - 2))
    return grams
