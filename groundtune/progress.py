"""Progress that reads well in a terminal, in a pod's log and in a captured file: whole lines, never too many."""

import os
import time

_WIDTH = 24


def say(stage: str, text: str) -> None:
    """One line of what a stage did, in a person's words; of processes that work together, the first one speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(f"{stage:<21}  {text}", flush=True)


def shard_label(stage: str, index: int, count: int) -> str:
    """The stage's name in progress lines; shards run side by side, so each says which one it is."""
    return stage if count == 1 else f"{stage} {index + 1}/{count}"


class Progress:
    """Counts units of work and prints a bar with rate and time left, at most one line every `every` seconds."""

    def __init__(self, stage: str, total: int, unit: str, every: float = 5.0):
        self.stage, self.total, self.unit, self.every = stage, total, unit, every
        self.done = 0
        self._resumed = 0
        self._start = self._last = time.monotonic()

    def skip(self, units: int) -> None:
        """Units that an earlier, interrupted run already did: counted, but not in the rate."""
        self._resumed += units
        self.done += units

    def add(self, units: int) -> None:
        self.done += units
        now = time.monotonic()
        if now - self._last >= self.every or self.done >= self.total:
            self._last = now
            say(self.stage, self.line())

    @property
    def rate(self) -> float:
        """Units a second since the start of this process."""
        return (self.done - self._resumed) / max(time.monotonic() - self._start, 1e-9)

    def line(self) -> str:
        filled = _WIDTH * self.done // max(self.total, 1)
        bar = "#" * filled + "." * (_WIDTH - filled)
        left = (self.total - self.done) / max(self.rate, 1e-9)
        clock = f"{int(left) // 60}:{int(left) % 60:02d} left" if self.done < self.total else "done"
        pace = f"{self.rate:.1f}/s" if self.rate >= 0.95 else f"{60 * self.rate:.1f}/min"
        return f"[{bar}] {self.done:,}/{self.total:,} {self.unit}  {pace}  {clock}"
