"""open_round: what a retraining begins with. It takes the lease, finishes what a killed run left decided, and opens a
round of the rows that arrived; with too few of them, or while another retraining runs, there is nothing to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from groundtune import storage, tracking
from groundtune.errors import LeaseError, SettingError
from groundtune.progress import say
from groundtune.promotion.champions import Champions, Reign
from groundtune.promotion.measurable import check_rules
from groundtune.promotion.served import served_adapter
from groundtune.retraining.following import finish_decided
from groundtune.rounds.intake import Round, Rounds
from groundtune.rounds.lease import Leases, holder
from groundtune.settings import EvaluationSettings, GateSettings, PrepareSettings, RegistrySettings, RoundsSettings
from groundtune.tracking.ledger import noted

STAGE = "open_round"
BASE = "base"  # of RoundsSettings.policy


class Opened(NamedTuple):
    """work: whether there is a round. place: its folder; rows: its prompt file. champion: the version that reigns and
    reign its number, "" and 0 for nobody; champion_adapter: where its adapter is, "" for the base model; champion_base:
    the digest of the checkpoint it belongs to. policy_adapter: whose answers the round learns from, "" for the base
    model's."""

    work: bool
    place: str = ""
    rows: str = ""
    champion: str = ""
    reign: int = 0
    champion_adapter: str = ""
    champion_base: str = ""
    policy_adapter: str = ""

    @property
    def Output(self) -> bool:
        """work, by the one name of an output of which kfp.local lets a condition ask."""
        return self.work


@noted(STAGE)
@storage.patience(storage.CHECK_PATIENCE)
def run(
    inbox: str,
    rounds: str,
    summary: str | Path,
    settings: RoundsSettings | Mapping[str, Any],
    registry: RegistrySettings | Mapping[str, Any],
    gate: GateSettings | Mapping[str, Any],
    evaluation: EvaluationSettings | Mapping[str, Any],
    prepare: PrepareSettings | Mapping[str, Any],
) -> Opened:
    """Write the summary (Markdown) of what is done and why.

    inbox: folder or s3:// prefix below which prompt files arrive. rounds: where rounds are kept. Raises SettingError
    for a wrong setting, before anything is looked at, and without a registry.
    """
    settings, named = RoundsSettings.of(settings, "rounds"), RegistrySettings.of(registry, "registry")
    check_rules(GateSettings.of(gate, "gate"), EvaluationSettings.of(evaluation, "evaluation").benchmarks)
    check_whole(PrepareSettings.of(prepare, "prepare"))
    _check_places(inbox, rounds)
    with tracking.stage(STAGE, settings=settings.to_mapping()) as log:
        champions = Champions(named.model_name)
        found, words = _begin(inbox, rounds, champions, settings)
        Path(summary).write_text(f"**{words}**\n", encoding="utf-8")
        log.tag("groundtune.round", words)
        say(STAGE, words)
        return found


def _begin(inbox: str, rounds: str, champions: Champions, settings: RoundsSettings) -> tuple[Opened, str]:
    leases, me = Leases(rounds), holder()
    try:
        leases.take(me, settings.lease_hours)
    except LeaseError as error:
        return Opened(False), f"Nothing to do: {error}."
    done = finish_decided(rounds, champions, settings)
    one = Rounds(rounds).open(inbox, settings.minimum_rows)
    if one is None:
        leases.release(me)
        words = f"Nothing to do: fewer than {settings.minimum_rows:,} new rows in {inbox}."
        return Opened(False), f"{done} {words}".strip()
    reign = champions.current()
    opened = _opened(one, reign, champions.name, rounds, settings)
    held = f"version {reign.version} of {champions.name} is champion" if reign else "nobody is champion yet"
    counted = f"{one.new:,} new rows ({one.again:,} seen before, {one.unreadable:,} unreadable)"
    told = f"Round {one.number}: {counted}; {held}."
    return opened, f"{done} {told}".strip()


def _opened(one: Round, reign: Reign | None, name: str, rounds: str, settings: RoundsSettings) -> Opened:
    opened = Opened(True, one.place, one.rows)
    if reign is None:
        return opened
    served = served_adapter(name, reign, rounds)
    return opened._replace(
        champion=served.version,
        reign=reign.number,
        champion_adapter=served.place,
        champion_base=served.base_digest,
        policy_adapter="" if settings.policy == BASE else served.place,
    )


def check_whole(prepare: PrepareSettings) -> None:
    """Raises SettingError for a limit: a round is done with all of its rows, and the rest would never be taken."""
    if prepare.limit:
        raise SettingError("limit", prepare.limit, "0: a round takes all rows that arrived", "prepare")


def _check_places(inbox: str, rounds: str) -> None:
    for setting, place in (("inbox", inbox), ("rounds", rounds)):
        if not place:
            raise SettingError(setting, place, "a folder or an s3:// prefix")
    if not storage.is_s3(inbox) and not Path(inbox).is_dir():
        raise SettingError("inbox", inbox, "a folder or s3:// prefix where prompt files arrive")
