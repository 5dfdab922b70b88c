"""What judging took: replies, tokens, money; and who the server says it is."""

import threading
from typing import Any

from groundtune.benchmarks.judge.verdict import Reply
from groundtune.settings.judge import JudgeSettings


class Account:
    """Counts of one judge, for any number of threads. Replies out of the cache cost nothing in this run."""

    def __init__(self, settings: JudgeSettings):
        self._prices = (settings.prompt_price, settings.completion_price)
        self._lock = threading.Lock()
        self.counts = dict.fromkeys(
            ("replies", "cached", "without_usage", "truncated", "filtered", "too long", "malformed"), 0
        )
        self.tokens = {"prompt": 0, "completion": 0, "cached_prompt": 0, "cached_completion": 0}
        self.models: set[str] = set()
        self.fingerprints: set[str] = set()

    def add(self, reply: Reply, cached: bool) -> None:
        """One reply, paid for in this run or not."""
        with self._lock:
            self.counts["cached" if cached else "replies"] += 1
            self.counts["without_usage"] += not reply.usage
            if reply.flaw:
                self.counts[reply.flaw] += 1
            prefix = "cached_" if cached else ""
            self.tokens[f"{prefix}prompt"] += reply.prompt_tokens
            self.tokens[f"{prefix}completion"] += reply.completion_tokens
            self.models |= {reply.model} - {""}
            self.fingerprints |= {reply.fingerprint} - {""}

    def add_malformed(self) -> None:
        """A request whose replies could all not be read."""
        with self._lock:
            self.counts["malformed"] += 1

    @property
    def cost(self) -> float:
        """Of this run's replies, in the currency of the prices; 0 without prices."""
        prompt, completion = self._prices
        return (self.tokens["prompt"] * prompt + self.tokens["completion"] * completion) / 1e6

    def figures(self) -> dict[str, Any]:
        """All counts under names that go into a manifest."""
        with self._lock:
            return {
                **{name.replace(" ", "_"): count for name, count in self.counts.items()},
                **{f"{name}_tokens": count for name, count in self.tokens.items()},
                "cost": self.cost,
            }
