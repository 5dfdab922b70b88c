"""What the head learns from: pairs of answers of one prompt that MAS tells apart."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from groundtune.errors import SettingError

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
LEAST_PROMPTS = 10  # ours: with fewer, neither the head nor its accuracy means anything


@dataclass(frozen=True)
class LabelledPairs:
    """P pairs, sorted by prompt. All [P]: `better` and `worse` are answers, `prompt` is the pool that holds both."""

    better: Indices
    worse: Indices
    prompt: Indices

    def __len__(self) -> int:
        return len(self.prompt)

    @cached_property
    def prompts(self) -> Indices:
        """Those that give a pair, sorted."""
        return np.unique(self.prompt)

    @cached_property
    def weights(self) -> Floats:
        """[P], sum 1: a prompt counts once however many pairs it gives (InstructGPT, eq. 1)."""
        _, place, counts = np.unique(self.prompt, return_inverse=True, return_counts=True)
        return np.asarray(1 / (counts[place] * counts.size), dtype=np.float64)

    def of(self, prompts: Indices) -> "LabelledPairs":
        """The pairs of these prompts."""
        return self._where(np.isin(self.prompt, prompts))

    def among(self, usable: NDArray[np.bool_]) -> "LabelledPairs":
        """The pairs whose answers are both usable. usable: [N], by answer."""
        return self._where(usable[self.better] & usable[self.worse])

    def compact(self) -> tuple[Indices, "LabelledPairs"]:
        """(the answers that stand in a pair, sorted; the same pairs, by their places in these)."""
        used, places = np.unique(np.concatenate([self.better, self.worse]), return_inverse=True)
        return used, LabelledPairs(places[: len(self)], places[len(self) :], self.prompt)

    def _where(self, kept: NDArray[np.bool_]) -> "LabelledPairs":
        return LabelledPairs(self.better[kept], self.worse[kept], self.prompt[kept])


def labelled_pairs(mas: Floats, prompt: Indices, eligible: NDArray[np.bool_], margin: float) -> LabelledPairs:
    """All pairs of eligible answers of one prompt with MAS(better) - MAS(worse) >= margin; equal MAS says nothing.

    mas, prompt, eligible: [N], by answer; those of one prompt stand together and prompts are numbered in that order.
    """
    none = np.empty(0, dtype=np.int64)
    better, worse = [none], [none]
    answers = np.flatnonzero(eligible)
    for pool in np.split(answers, np.flatnonzero(np.diff(prompt[answers])) + 1):
        gaps = mas[pool][:, None] - mas[pool]
        first, second = np.nonzero((gaps >= margin) & (gaps > 0))
        better.append(pool[first])
        worse.append(pool[second])
    chosen, other = np.concatenate(better), np.concatenate(worse)
    return LabelledPairs(chosen, other, prompt[chosen])


def check_enough(pairs: LabelledPairs, held_out: int, share: float) -> None:
    """Raises SettingError when fewer than LEAST_PROMPTS of the held-out prompts give a pair."""
    found = len(pairs.prompts)
    if found < LEAST_PROMPTS:
        raise SettingError(
            "held_out_share",
            share,
            f"a larger share, more prompts, or a lower reward.margin: {held_out} prompts are held out, {found} of them "
            f"have two usable answers that MAS tells apart, and the reward head learns from {LEAST_PROMPTS} at least",
            "selection",
        )
