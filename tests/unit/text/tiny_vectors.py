"""A spaCy pipeline with word vectors and nothing else, saved as spaCy saves it."""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import spacy


def write_vectors(folder: Path, vectors: Mapping[str, Sequence[float]], name: str = "") -> str:
    """name: what the pipeline calls itself behind its language, "" as spaCy names it."""
    pipeline = spacy.blank("en", meta={"name": name} if name else {})
    for word, vector in vectors.items():
        pipeline.vocab.set_vector(word, np.array(vector, np.float32))
    pipeline.to_disk(folder)
    return str(folder)


def clustered_vectors(words: Iterable[str], clusters: int, seed: int = 0) -> dict[str, list[float]]:
    """Vectors around a few directions, so that many pairs of words are just above or just below a cosine of 0.8."""
    rng = random.Random(seed)
    centres = [[rng.gauss(0, 1) for _ in range(6)] for _ in range(clusters)]
    return {word: [value + rng.gauss(0, 0.5) for value in rng.choice(centres)] for word in words}
