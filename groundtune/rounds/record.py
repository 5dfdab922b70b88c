"""What a round found and decided, kept beside its rows: the lineage of champions can be read without a registry.

    <root>/00007/decided.json    a RoundRecord, created once, before anything follows from it
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from groundtune import storage
from groundtune.errors import ArtifactError
from groundtune.rounds.intake import DONE, FAILED, Rounds

SCHEMA = 1
PROMOTED, REFUSED, RUNNING = "promoted", "refused", "running"  # beside FAILED: how a round stands
_DECIDED = "decided.json"


@dataclass(frozen=True)
class RoundRecord:
    """One decided round.

    number: of the round. run: the pipeline run that decided it. at: UTC, ISO 8601. rows: "new", "again", "unreadable".
    pairs: that were trained on. policy: "champion" or "base", from which answers were drawn and training began; parent:
    the version of it, "" for the base model. champion: the version that the challenger was held against, "" for the
    base model; reign: its number in the log, 0 for nobody. challenger: the version that was registered. promote: what
    the gate says. verdict: GateVerdict.as_dict(). figures: "champion", "challenger" and "base" -> "chair/chairs" ->
    {"value", "low", "high", "better"}. drift: "MAS <scorer>" and "confidence" -> {"psi", "ks"}, {} in the first round.
    warnings: what somebody should look at.
    """

    number: int
    run: str
    at: str
    rows: dict[str, int]
    pairs: int
    policy: str
    parent: str
    champion: str
    reign: int
    challenger: str
    promote: bool
    verdict: dict[str, Any]
    figures: dict[str, dict[str, dict[str, Any]]]
    drift: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RoundStory:
    """A round as it stands. state: PROMOTED, REFUSED, FAILED or RUNNING. why: of a failed one. begun, ended: UTC, ISO
    8601, ended "" while it runs. record: None before it was decided."""

    number: int
    state: str
    begun: str
    ended: str
    why: str
    rows: dict[str, int]
    record: RoundRecord | None


def decide_once(place: str, record: RoundRecord) -> RoundRecord:
    """Keep the record in the round's folder; returns the one that stands: whoever decides first is right."""
    content = json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1).encode()
    storage.publish_once(content, storage.join(place, _DECIDED))
    decided = decided_in(place)
    assert decided is not None
    return decided


def decided_in(place: str) -> RoundRecord | None:
    """The record of a round's folder, None before it was decided. Raises ArtifactError for one of another schema."""
    file = storage.join(place, _DECIDED)
    if not storage.exists(file):
        return None
    content: dict[str, Any] = json.loads(storage.read_bytes(file))
    if content.pop("schema", None) != SCHEMA:
        raise ArtifactError(f"{file}: written by another version of groundtune, this one reads schema {SCHEMA}")
    return RoundRecord(**content)


def stories(root: str) -> list[RoundStory]:
    """All rounds below `root`, the first one first."""
    rounds = Rounds(root)
    return [_story(number, decided_in(rounds.place(number)), rounds.notes(number)) for number in rounds.numbers()]


def _story(number: int, record: RoundRecord | None, notes: Mapping[str, Any]) -> RoundStory:
    state = RUNNING
    if notes["state"] == FAILED:
        state = FAILED
    elif notes["state"] == DONE:
        state = PROMOTED if record and record.promote else REFUSED
    rows = {name: int(notes[name]) for name in ("new", "again", "unreadable")}
    return RoundStory(number, state, notes["begun"], notes["ended"], notes["why"], rows, record)
