"""MAS, how well an answer fits the picture, from the calibrated scores of its sentences; for all answers at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundtune.errors import ArtifactError
from groundtune.row_streams import taken

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
_SENTENCE = pa.schema([("sentence", pa.string())])


@dataclass(frozen=True)
class SentenceScores:
    """What one scorer said of R answers. ids, rows, counts: [R]; scores: the answers' sentences one after another.

    rows: number of the answer's row in the alignment artifact. counts: sentences of the answer.
    """

    ids: pa.Array
    rows: Indices
    counts: Indices
    scores: Floats

    def of(self, answers: Indices, count: int) -> Floats:
        """Scores of answers with `count` sentences each: [A, count]. Raises ArtifactError when one has more or less."""
        other = answers[self.counts[answers] != count]
        if other.size:
            name, found = self.ids[int(other[0])].as_py(), int(self.counts[other[0]])
            raise ArtifactError(f'alignment: "{name}" has {count} sentences for one scorer, {found} for another')
        starts = np.cumsum(self.counts) - self.counts
        return self.scores[starts[answers][:, None] + np.arange(count)]


@dataclass(frozen=True)
class AlignmentScores:
    """Of A answers. mas: [A] in [0, 1]. scorers: name -> [A]. worst: [A], the sentence that MAS likes least."""

    mas: Floats
    scorers: dict[str, Floats]
    worst: Indices


def read_sentence_scores(batches: Iterable[pa.RecordBatch], scorers: Iterable[str]) -> dict[str, SentenceScores]:
    """batches: columns candidate_id, scorer and sentence_scores of the alignment artifact, all shards."""
    found: dict[str, list[tuple[pa.Array, Indices, Indices, Floats]]] = {name: [] for name in scorers}
    first = 0
    for batch in batches:
        for name, parts in found.items():
            rows = np.flatnonzero(pc.equal(batch["scorer"], name).to_numpy(zero_copy_only=False))
            scores = batch["sentence_scores"].take(pa.array(rows))
            counts = pc.list_value_length(scores).to_numpy().astype(np.int64)
            flat = scores.flatten().to_numpy().astype(np.float64)
            parts.append((batch["candidate_id"].take(pa.array(rows)), first + rows, counts, flat))
        first += len(batch)
    return {name: _joined(parts, name) for name, parts in found.items()}


def alignment_scores(
    scores: Mapping[str, SentenceScores],
    answers: Mapping[str, Indices],
    weights: Mapping[str, float],
    sentence_min_weight: float,
) -> AlignmentScores:
    """MAS = weighted mean over scorers of (1 - w) * mean + w * min over sentences of the calibrated scores (ours).

    scores: calibrated, by scorer. answers: scorer -> [A] indices into its answers, the same answers for each. weights:
    above 0.
    """
    first = next(iter(weights))
    counts = scores[first].counts[answers[first]]
    scorers = {name: np.empty(counts.size) for name in weights}
    worst = np.empty(counts.size, dtype=np.int64)
    for count in np.unique(counts).tolist():
        here = np.flatnonzero(counts == count)
        values = {name: scores[name].of(answers[name][here], count) for name in weights}
        for name, matrix in values.items():
            scorers[name][here] = (1 - sentence_min_weight) * matrix.mean(1) + sentence_min_weight * matrix.min(1)
        worst[here] = _weighted_mean(values, weights).argmin(1)
    return AlignmentScores(_weighted_mean(scorers, weights), scorers, worst)


def _weighted_mean(values: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    total = np.zeros_like(next(iter(values.values())))
    for name, weight in weights.items():
        total += weight * values[name]
    return total / sum(weights.values())


def worst_sentences(
    batches: Iterable[pa.RecordBatch], rows: Indices, worst: Indices, ends: Sequence[int]
) -> Iterator[pa.Table]:
    """Column `sentence`: number worst[i] of the sentences in row rows[i] of the alignment artifact, as tables that end
    before `ends`.

    batches: column sentences of the alignment artifact. rows, worst: [A].
    """
    order = np.argsort(rows)
    found = _named_sentences(batches, rows[order], worst[order])
    yield from taken(found, _SENTENCE, np.argsort(order), ends)


def _named_sentences(batches: Iterable[pa.RecordBatch], rows: Indices, worst: Indices) -> Iterator[pa.RecordBatch]:
    """rows: sorted."""
    first = 0
    for batch in batches:
        span = slice(*np.searchsorted(rows, [first, first + len(batch)]))
        answers = batch["sentences"].take(pa.array(rows[span] - first))
        counts = pc.list_value_length(answers).to_numpy().astype(np.int64)
        named = answers.flatten().take(pa.array(np.cumsum(counts) - counts + worst[span]))
        yield pa.record_batch([named], schema=_SENTENCE)
        first += len(batch)


def _joined(parts: list[tuple[pa.Array, Indices, Indices, Floats]], scorer: str) -> SentenceScores:
    none = np.empty(0, dtype=np.int64)
    ids = pa.concat_arrays([pa.array([], pa.string()), *(part[0] for part in parts)])
    rows, counts = (np.concatenate([none, *(part[at] for part in parts)]) for at in (1, 2))
    scores = np.concatenate([none.astype(np.float64), *(part[3] for part in parts)])
    return SentenceScores(ids, rows, counts, scores)
