"""No two retrainings at once: whoever holds the lease works, whoever does not leaves.

    <root>/lease/00004.json        who took it, and until when
    <root>/lease/00004.released    given back before that

Generations are created once each (storage.publish_once), so of several that find the lease free exactly one takes it. A
holder that died is outlived: its lease runs out by the clock of those who look. What must not happen twice even then, a
promotion, does not rest on the lease (promotion.champions).
"""

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from groundtune import storage
from groundtune.errors import LeaseError

_FOLDER, _RELEASED = "lease", ".released"
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Lease:
    """generation: from 1. until: UTC."""

    generation: int
    holder: str
    until: datetime


def holder() -> str:
    """Who takes the lease: the pipeline run; outside of one, somebody new every time."""
    return os.environ.get("GROUNDTUNE_RUN_ID", "") or f"alone-{uuid.uuid4().hex[:8]}"


def _utc() -> datetime:
    return datetime.now(UTC)


class Leases:
    """The lease of the rounds below a folder or s3:// prefix. clock: for tests."""

    def __init__(self, root: str, clock: Clock = _utc):
        self._root, self._clock = storage.join(root, _FOLDER), clock

    def held(self) -> Lease | None:
        """The lease that holds now, None when it is free."""
        return self._look()[1]

    def take(self, holder: str, hours: float) -> Lease:
        """holder: a run's id; the one that holds it already (a task that is tried again) has its time renewed. Raises
        LeaseError when another one holds it."""
        last, now = self._look()
        if now is not None and now.holder != holder:
            raise LeaseError(_taken(now))
        until = self._clock() + timedelta(hours=hours)
        mine = Lease(last + 1, holder, until)
        content = {"holder": holder, "until": until.isoformat(), "nonce": uuid.uuid4().hex}
        if not storage.publish_once(json.dumps(content).encode(), self._place(mine.generation)):
            raise LeaseError(_taken(self._read(mine.generation)))
        return mine

    def release(self, holder: str) -> None:
        """Give it back; nothing happens when somebody else holds it by now."""
        now = self.held()
        if now is not None and now.holder == holder:
            storage.publish_once(uuid.uuid4().bytes, self._place(now.generation).removesuffix(".json") + _RELEASED)

    def _look(self) -> tuple[int, Lease | None]:
        """(the last generation, 0 before the first; the lease if it holds), of one moment: whoever takes the next
        generation has seen this one free."""
        names = storage.list_files(self._root)
        last = max((int(name.removesuffix(".json")) for name in names if name.endswith(".json")), default=0)
        if not last or f"{last:05d}{_RELEASED}" in names:
            return last, None
        lease = self._read(last)
        return last, lease if lease.until > self._clock() else None

    def _place(self, generation: int) -> str:
        return storage.join(self._root, f"{generation:05d}.json")

    def _read(self, generation: int) -> Lease:
        content = json.loads(storage.read_bytes(self._place(generation)))
        return Lease(generation, str(content["holder"]), datetime.fromisoformat(content["until"]))


def _taken(lease: Lease) -> str:
    until = f"{lease.until:%Y-%m-%d %H:%M} UTC"
    return f"{lease.holder} is retraining, until {until} at the latest; wait for it, or for its lease to run out"
