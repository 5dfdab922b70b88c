"""What a world can show and what its captions expect: the facts that sentences, questions and biases are made of."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, eq=False)
class Inventory:
    """groups: kinds that usually come together. group_weights: how often each group is a picture's theme. companion:
    the kind that each kind calls to mind. strong_kinds: those whose companion a biased caption adds more often than
    not. counts: how many of a kind there can be. colours: empty where nothing is said of them."""

    groups: Mapping[str, tuple[str, ...]]
    group_weights: Mapping[str, float]
    companion: Mapping[str, str]
    strong_kinds: frozenset[str]
    counts: tuple[int, ...] = (1,)
    colours: tuple[str, ...] = ()
    usual_colour: Mapping[str, str] = field(default_factory=dict)
    colour_bias: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kinds in self.groups.values() for kind in kinds)

    @cached_property
    def group_of(self) -> dict[str, str]:
        return {kind: group for group, kinds in self.groups.items() for kind in kinds}

    def theme(self, rng: random.Random) -> str:
        """The group that most of a picture's kinds will be of."""
        return rng.choices(tuple(self.group_weights), weights=tuple(self.group_weights.values()))[0]

    def kinds_together(self, theme: str, wanted: int, rng: random.Random) -> list[str]:
        """As many different kinds as wanted, most of them of the theme."""
        kinds: list[str] = []
        while len(kinds) < wanted:
            kind = rng.choice(self.groups[theme if rng.random() < 0.6 else self.theme(rng)])
            if kind not in kinds:
                kinds.append(kind)
        return kinds
