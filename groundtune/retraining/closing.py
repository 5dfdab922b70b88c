"""close_round: the decision is written down once, then followed, then the lease is given back; in that order, so that
whoever finds a round that was killed in between knows what to do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundtune import tracking
from groundtune.artifacts import read_artifact
from groundtune.errors import LeaseError
from groundtune.progress import say
from groundtune.promotion.champions import Champions
from groundtune.promotion.registered_models import tag_version
from groundtune.retraining.deciding import read_decision
from groundtune.retraining.drifting import WARNINGS
from groundtune.retraining.following import follow
from groundtune.rounds.intake import FAILED, Rounds
from groundtune.rounds.lease import Leases, holder
from groundtune.rounds.record import RoundRecord, decide_once, decided_in
from groundtune.settings import RegistrySettings, RoundsSettings
from groundtune.tracking.ledger import noted

STAGE = "close_round"
_LONGEST = 4900  # characters of a tag; a registry column holds 5,000


@noted(STAGE)
def run(
    rounds: str,
    place: str,
    verdict: str | Path,
    pairs: str | Path,
    challenger: str,
    champion: str,
    reign: int,
    policy_adapter: str,
    drift: Mapping[str, Any],
    settings: RoundsSettings | Mapping[str, Any],
    registry: RegistrySettings | Mapping[str, Any],
) -> RoundRecord:
    """Promote the challenger if the gate says so, and end the round.

    place: the round's folder. verdict: of decide_promotion. pairs: that were trained on. challenger: the URI of its
    version. champion, reign: whom it was held against. policy_adapter: whose answers it learnt from, "" for the base
    model's. drift: of measure_drift. A task that is tried again finds its decision and goes on. Raises LeaseError when
    another run holds the lease or has ended the round, PromotionError when another champion came meanwhile: this run
    promotes nobody then.
    """
    settings, named = RoundsSettings.of(settings, "rounds"), RegistrySettings.of(registry, "registry")
    decision, taught, champions = read_decision(verdict), read_artifact(pairs, "pairs"), Champions(named.model_name)
    inputs = {"pairs": taught.digest, **decision["verdict"]["answers"]}
    me = holder()
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=inputs):
        record = decided_in(place)
        if record is None:
            number = int(place.rstrip("/").rpartition("/")[2])
            Leases(rounds).take(me, settings.lease_hours)  # renewed, or free because the round took longer
            notes = Rounds(rounds).notes(number)
            if notes["state"]:
                raise LeaseError(f"round {number} was ended by another run, {notes['state']}: {notes['why']}")
            version = challenger.rpartition("/")[2]
            record = RoundRecord(
                number=number,
                run=me,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                rows={name: int(notes[name]) for name in ("new", "again", "unreadable")},
                pairs=len(taught),
                policy="champion" if policy_adapter else "base",
                parent=champion if policy_adapter else "",
                champion=champion,
                reign=reign,
                challenger=version,
                promote=decision["verdict"]["promote"],
                verdict=decision["verdict"],
                figures=decision["figures"],
                drift={name: dict(sizes) for name, sizes in drift.items() if name != WARNINGS},
                warnings=list(drift[WARNINGS]),
            )
            tag_version(champions.name, version, _tags(record))
            record = decide_once(place, record)
        words = follow(rounds, record, champions, settings)
        Leases(rounds).release(me)
        say(STAGE, words)
    tracking.summary({}, tags={**_tags(record), "groundtune.promoted": record.promote})
    return record


def leave(rounds: str, run: str, status: str, why: str) -> str:
    """How a run that retrains ends, whatever happened in it: the lease is given back, and a round that failed is ended,
    so that its rows are the next one's. A round of a run that was cancelled is gone on with by the next one, and one
    that had decided is finished by it. Returns what was done, "" for nothing. status: FINISHED, FAILED or KILLED."""
    leases = Leases(rounds)
    held = leases.held()
    if held is None or held.holder != run:
        return ""
    kept = Rounds(rounds)
    last, words = kept.last(), ""
    if status == "FAILED" and last and not last.ended and decided_in(last.place) is None:
        kept.end(last, FAILED, why)
        words = f"round {last.number} failed: its rows are the next one's"
    leases.release(run)
    return words or "the lease is given back"


def _tags(record: RoundRecord) -> dict[str, str]:
    """Of the challenger's version, and of the run: lineage, and what the gate said."""
    return {
        "groundtune.round": str(record.number),
        "groundtune.parent": record.parent or "base",
        "groundtune.held_against": record.champion or "base",
        "groundtune.verdict": record.verdict["sentence"],
        "groundtune.reasons": "; ".join(_reasons(record))[:_LONGEST],
    }


def _reasons(record: RoundRecord) -> list[str]:
    """The rules that failed; when none did, all of them."""
    rules = record.verdict["rules"]
    failed = [rule for rule in rules if not rule["holds"]]
    return [f"{rule['asked']}: {rule['found']}" for rule in failed or rules]
