"""The answers of a run as the reward model sees them, and their hidden states under the base model."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groundtune.artifacts import Artifact, Row
from groundtune.candidates.held_out import held_out
from groundtune.candidates.pools import Pool, read_pools
from groundtune.candidates.readable import readable_pools
from groundtune.candidates.reward.labels import LabelledPairs, labelled_pairs
from groundtune.errors import RecordError
from groundtune.images import ImageStore
from groundtune.settings import RewardSettings, SelectionSettings
from groundtune.vlm.answer_states import answer_states
from groundtune.vlm.loader import Vlm

_READ = ("prompt_id", "candidate_id", "token_ids", "multiplicity", "finished", "mas")


@dataclass(frozen=True)
class Answers:
    """Pools sorted by prompt id, their candidates by their own; so nothing depends on the order of the rows."""

    pools: list[Pool]

    @property
    def ids(self) -> list[str]:
        return [row["candidate_id"] for pool in self.pools for row in pool.candidates]

    @property
    def prompt(self) -> NDArray[np.int64]:
        """[N] number of each answer's pool."""
        return np.repeat(np.arange(len(self.pools)), [len(pool.candidates) for pool in self.pools])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[N] tokens of each answer."""
        return np.array([len(row["token_ids"]) for pool in self.pools for row in pool.candidates], dtype=np.int64)

    def pairs(self, settings: RewardSettings, selection: SelectionSettings) -> LabelledPairs:
        """Of the answers that selection may take."""
        rows = [row for pool in self.pools for row in pool.candidates]
        eligible = np.array([_eligible(row, selection) for row in rows], dtype=bool)
        mas = np.array([row["mas"] for row in rows], dtype=np.float64)
        return labelled_pairs(mas, self.prompt, eligible, settings.margin)


def _eligible(row: Row, selection: SelectionSettings) -> bool:
    """Sampled, among the first samples and ended, as far as selection asks for that."""
    if not row["multiplicity"] or (selection.require_finished and not row["finished"]):
        return False
    if not selection.first_candidates:
        return True
    return int(row["candidate_id"].rpartition("#")[2]) < selection.first_candidates


def read_answers(prompts: Artifact, scores: Artifact, selection: SelectionSettings) -> tuple[Answers, Answers]:
    """(of the held-out prompts, of all others). Raises ArtifactError for an answer to an unknown prompt."""
    pools = [
        Pool(pool.prompt, sorted(pool.candidates, key=lambda row: str(row["candidate_id"])))
        for pool in sorted(read_pools(prompts, scores, _READ), key=lambda pool: str(pool.prompt["id"]))
    ]
    kept = held_out([pool.prompt["id"] for pool in pools], selection.held_out_share, selection.seed)
    sides = [[pool for pool, on in zip(pools, kept, strict=True) if on == side] for side in (True, False)]
    return Answers(sides[0]), Answers(sides[1])


@torch.inference_mode()
def states_of(
    vlm: Vlm, pools: list[Pool], store: ImageStore, settings: RewardSettings
) -> tuple[Tensor, dict[str, list[str]]]:
    """Hidden states [answers of the pools, D] float32 on the CPU; NaN where there are none, and then candidate id ->
    [field, problem]."""
    readable, prefixes, unreadable = readable_pools(vlm, pools, store)
    problems = {name: [error.field, str(error)] for name, error in unreadable.items()}
    empty = {row["candidate_id"] for pool in readable for row in pool.candidates if not row["token_ids"]}
    problems |= {name: ["token_ids", str(RecordError(name, "token_ids", "the answer is empty"))] for name in empty}
    branches = [[row["token_ids"] for row in pool.candidates if row["token_ids"]] for pool in readable]
    found = answer_states(vlm, prefixes, branches, pooling=settings.pooling, token_budget=settings.token_budget)
    states = {
        row["candidate_id"]: state
        for pool, own in zip(readable, found, strict=True)
        for row, state in zip((row for row in pool.candidates if row["token_ids"]), own.cpu(), strict=True)
    }
    for name, state in states.items():
        if not state.isfinite().all():
            problems[name] = ["reward", str(RecordError(name, "reward", "its hidden state is not finite"))]
    missing = torch.full((vlm.config.get_text_config().hidden_size,), torch.nan)
    names = [row["candidate_id"] for pool in pools for row in pool.candidates]
    return torch.stack([missing if name in problems else states[name] for name in names]), problems
