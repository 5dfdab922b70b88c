"""The numbers of a scores artifact, without its texts: what decides which answers make a pair."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundtune.artifacts import Artifact
from groundtune.errors import SettingError
from groundtune.preferences.m3p import Floats, Indices
from groundtune.records import SCORES
from groundtune.settings import SelectionSettings

_COLUMNS = ("prompt_id", "candidate_id", "multiplicity", "finished", "mas", "confidence", "pool_entropy")
MAS = "mas"  # the value of selection.score_by that is no scorer's name
GIVEN = ("#chosen", "#rejected")  # endings of the candidate ids of a user's own preference


@dataclass(frozen=True)
class ScoreColumns:
    """Candidates sorted by prompt id, then by their own id, whatever the order of the artifact. All but prompts: [N].

    prompts: the sorted prompt ids [P]. prompt: index into them. row: number of the row in the artifact. given: index
    into GIVEN, -1 for an answer that was sampled or is no side of a preference. score: what says which answer is better
    (selection.score_by, with selection.score_noise). scorers: [S, N], calibrated, where selection asks for their votes,
    else S = 0. entropy: nats, NaN where it is undefined.
    """

    prompts: pa.Array
    prompt: Indices
    row: Indices
    sampled: NDArray[np.bool_]
    finished: NDArray[np.bool_]
    score: Floats
    scorers: Floats
    confidence: Floats
    entropy: Floats
    given: Indices


def read_columns(scores: Artifact, settings: SelectionSettings) -> ScoreColumns:
    """About 100 bytes a candidate, however long its text. Raises SettingError when no scorer is named score_by."""
    wanted = [*_COLUMNS, "scorers"] if settings.agreement or settings.score_by != MAS else list(_COLUMNS)
    schema = pa.schema([SCORES.field(name) for name in wanted])
    return columns_of(pa.Table.from_batches(scores.batches(wanted), schema).combine_chunks(), settings)


def columns_of(table: pa.Table, settings: SelectionSettings) -> ScoreColumns:
    """table: the columns of a scores artifact that are numbers or ids, in the order of its rows."""
    names = pc.unique(table["prompt_id"])
    prompts = names.take(pc.sort_indices(names))
    prompt = pc.index_in(table["prompt_id"], prompts).to_numpy().astype(np.int64)
    by_name = pc.sort_indices(table["candidate_id"]).to_numpy()
    order = by_name[np.argsort(prompt[by_name], kind="stable")].astype(np.int64)
    given = np.full(len(table), -1, dtype=np.int64)
    for index, ending in enumerate(GIVEN):
        named = pc.binary_join_element_wise(table["prompt_id"], ending, "")
        given[pc.equal(table["candidate_id"], named).to_numpy()] = index
    scorers = _scorers(table) if "scorers" in table.column_names else {}
    return ScoreColumns(
        prompts=prompts,
        prompt=prompt[order],
        row=order,
        sampled=_sampled(table, settings.first_candidates)[order],
        finished=pc.fill_null(table["finished"], False).to_numpy()[order],
        score=_score(table, scorers, settings)[order] + _noise(len(table), settings),
        scorers=_stacked(scorers, order),
        confidence=table["confidence"].to_numpy().astype(np.float64)[order],
        entropy=table["pool_entropy"].to_numpy().astype(np.float64)[order],
        given=given[order],
    )


def _sampled(table: pa.Table, first: int) -> NDArray[np.bool_]:
    """[N] which answers are samples; with `first`, which are among the first of their pool. An answer said several
    times is named by the first time."""
    sampled = pc.fill_null(table["multiplicity"], 0).to_numpy() != 0
    if first:
        number = pc.struct_field(pc.extract_regex(table["candidate_id"], r"#(?P<k>\d+)$"), "k")
        sampled &= pc.fill_null(pc.less(pc.cast(number, pa.int64()), first), False).to_numpy()
    return sampled


def _score(table: pa.Table, scorers: dict[str, Floats], settings: SelectionSettings) -> Floats:
    if settings.score_by == MAS:
        return table["mas"].to_numpy().astype(np.float64)
    if settings.score_by not in scorers:
        raise SettingError("score_by", settings.score_by, f"one of {', '.join([MAS, *scorers])}", "selection")
    return scorers[settings.score_by]


def _scorers(table: pa.Table) -> dict[str, Floats]:
    """Name -> [N] calibrated scores; every row names the same scorers."""
    column = table["scorers"].combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    names = pc.unique(column.keys).to_pylist() if len(column) else []
    values = column.items.to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(table), len(names))
    return {name: values[:, place] for place, name in enumerate(names)}


def _stacked(scorers: dict[str, Floats], order: Indices) -> Floats:
    """[S, N]"""
    return np.array([values[order] for values in scorers.values()]).reshape(len(scorers), order.size)


def _noise(count: int, settings: SelectionSettings) -> Floats | float:
    """[N], of the answers in their sorted order."""
    if not settings.score_noise:
        return 0.0
    return np.random.default_rng([settings.seed, 0]).normal(0.0, settings.score_noise, count)
