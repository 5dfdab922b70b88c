"""Pools: the candidates of one prompt, next to the prompt they answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from groundtune.artifacts import Artifact, Row, plain_rows
from groundtune.errors import ArtifactError


@dataclass(frozen=True)
class Pool:
    """One prompt and its distinct candidates, in the order of sampling."""

    prompt: Row
    candidates: list[Row]


def read_pools(prompts: Artifact, candidates: Artifact, columns: Sequence[str] = ()) -> list[Pool]:
    """Pools of an artifact with a row a candidate (a shard or the whole), in the order of its rows.

    columns: what is read of a row, prompt_id among it; default: all.
    Raises ArtifactError when a candidate answers a prompt that the prompts artifact does not hold.
    """
    known = {row["id"]: row for row in prompts.rows()}
    answers = (row for batch in candidates.batches(columns) for row in plain_rows(batch))
    return [Pool(_prompt(known, prompt_id, candidates), rows) for prompt_id, rows in by_prompt(answers).items()]


def by_prompt(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows grouped by prompt_id, both orders kept."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["prompt_id"], []).append(row)
    return groups


def _prompt(known: dict[str, Row], prompt_id: str, candidates: Artifact) -> Row:
    if prompt_id not in known:
        raise ArtifactError(f'{candidates.path}: prompt "{prompt_id}" is not in the prompts artifact')
    return known[prompt_id]
