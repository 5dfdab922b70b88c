"""Artifacts of any size without a model: pools of answers of a given length with made-up scores, for measuring what
happens to them between scoring and training.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact
from groundtune.records import KINDS

_BLOCK = 1024  # pools that are drawn together and make a part
_WORDS_A_SENTENCE = 15
_PARENTS = {"prompts": "made up", "model": "made up", "adapter": ""}
_WORDS = pa.array(
    [first + second + third for first in "bdfgklmnprstvz" for second in "aeiou" for third in ("", "n", "rt", "skel")]
)


def made_up_scores(path: Path, pools: int, answers: int = 8, tokens: int = 60, seed: int = 0) -> Artifact:
    """A scores artifact of `pools` prompts with `answers` answers of `tokens` tokens, and as many words, each."""
    return _write(path, "scores", range(pools), (0, 1), lambda block: _block(block, answers, tokens, seed))


def made_up_shards(
    folder: Path, pools: int, shards: int = 1, answers: int = 8, tokens: int = 60, seed: int = 0
) -> tuple[list[Path], list[Path], list[Path]]:
    """What combine_scores reads: the folders of all shards of candidates, of alignment (one scorer, "contrastive") and
    of confidence. The rows do not depend on the number of shards."""
    made: dict[str, list[Path]] = {}
    for kind in ("candidates", "alignment", "confidence"):
        made[kind] = [folder / f"{kind}-{index}" for index in range(shards)]
        for index, path in enumerate(made[kind]):
            numbers = range(pools * index // shards, pools * (index + 1) // shards)
            _write(path, kind, numbers, (index, shards), lambda block: _block(block, answers, tokens, seed))
    return made["candidates"], made["alignment"], made["confidence"]


def _write(
    path: Path, kind: str, numbers: range, shard: tuple[int, int], block: Callable[[int], dict[str, pa.Array]]
) -> Artifact:
    """The pools of these numbers, a part for each block that holds some of them."""
    writer = ArtifactWriter(path, kind, {}, _PARENTS, shard=shard)
    schema, rows = KINDS[kind], 0
    for part, index in enumerate(range(numbers.start // _BLOCK, -(-numbers.stop // _BLOCK))):
        columns = block(index)
        width = len(columns["prompt_id"]) // _BLOCK
        start, stop = (min(max(at - index * _BLOCK, 0), _BLOCK) * width for at in (numbers.start, numbers.stop))
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)[start:stop]
        writer.write_part(part, table)
        rows += len(table)
    return writer.finish(rows)


def _block(index: int, answers: int, tokens: int, seed: int) -> dict[str, pa.Array]:
    """Every column of every kind, of the answers to _BLOCK prompts."""
    random = np.random.default_rng([seed, index])
    rows = _BLOCK * answers
    prompts = pc.binary_join_element_wise("prompt", _texts(index * _BLOCK + np.repeat(np.arange(_BLOCK), answers)), "-")
    ids = random.integers(3, 32000, (rows, tokens), dtype=np.int32)
    words = _WORDS.take(pa.array(ids.reshape(-1) % len(_WORDS)))
    starts = np.arange(0, tokens, _WORDS_A_SENTENCE)
    cuts = (np.arange(rows)[:, None] * tokens + starts).reshape(-1)
    spoken = pc.binary_join(pa.ListArray.from_arrays(_offsets([*cuts, rows * tokens]), words), " ")
    sentences = _lists(pc.binary_join_element_wise(pc.utf8_capitalize(spoken), ".", ""), starts.size)
    logprobs = -random.exponential(0.6, (rows, tokens)).astype(np.float32)
    raw = random.normal(25, 4, (rows, starts.size)).astype(np.float32)
    mas = random.random(rows, dtype=np.float32)
    scorers = pa.MapArray.from_arrays(_offsets(range(rows + 1)), pa.array(["contrastive"] * rows), pa.array(mas))
    return {
        "prompt_id": prompts,
        "candidate_id": pc.binary_join_element_wise(prompts, _texts(np.tile(np.arange(answers), _BLOCK)), "#"),
        "text": pc.binary_join(sentences, " "),
        "token_ids": _lists(pa.array(ids.reshape(-1)), tokens),
        "multiplicity": pa.array(np.ones(rows, dtype=np.int32)),
        "finished": pa.array(random.random(rows) < 0.95),
        "engine": pa.repeat("made up", rows),
        "sentences": sentences,
        "scorer": pa.repeat("contrastive", rows),
        "sentence_scores": _lists(pa.array(raw.reshape(-1)), starts.size),
        "raw_mean": pa.array(raw.mean(1)),
        "raw_min": pa.array(raw.min(1)),
        "token_logprobs": _lists(pa.array(logprobs.reshape(-1)), tokens),
        "logprob_sum": pa.array(logprobs.sum(1)),
        "confidence": pa.array(logprobs.mean(1)),
        "pool_entropy": pa.array(np.repeat(2 * random.random(_BLOCK, dtype=np.float32), answers)),
        "image_sha256": pa.repeat("made up", rows),
        "reference_key": pa.repeat("made up", rows),
        "mas": pa.array(mas),
        "scorers": scorers,
        "worst_sentence": pc.list_element(sentences, 0),
    }


def _texts(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _lists(values: pa.Array, length: int) -> pa.Array:
    return pa.ListArray.from_arrays(_offsets(range(0, len(values) + 1, length)), values)


def _offsets(ends: list[int] | range) -> pa.Array:
    return pa.array(ends, pa.int32())
