"""What follows from a round's decision: the promotion, then the round's end. Doing it twice changes nothing, so a run
that was killed in between is finished by the next one."""

from groundtune.errors import PromotionError
from groundtune.promotion.champions import Champions
from groundtune.rounds.intake import DONE, FAILED, Round, Rounds
from groundtune.rounds.record import RoundRecord, decided_in
from groundtune.settings import RoundsSettings


def follow(rounds: str, record: RoundRecord, champions: Champions, settings: RoundsSettings) -> str:
    """Returns what was done, in words. Raises PromotionError, the round being FAILED, when another champion came since:
    the challenger was never held against that one."""
    kept = Rounds(rounds)
    one = kept.read(record.number)
    if not record.promote:
        kept.end(one, FAILED if settings.refused_rows_again else DONE, record.verdict["sentence"])
        return f"Round {record.number}: version {record.challenger} of {champions.name} is refused."
    if one.ended == FAILED:
        raise PromotionError(f"round {record.number} was overtaken: {kept.notes(record.number)['why']}")
    if one.ended != DONE:
        _promote(record, champions, kept, one)
    return f"Round {record.number}: version {record.challenger} of {champions.name} is champion."


def _promote(record: RoundRecord, champions: Champions, kept: Rounds, one: Round) -> None:
    try:
        champions.promote(record.challenger, champions.reign(record.reign), reasons(record), by=record.run)
    except PromotionError as error:
        now = champions.current()
        if now is None or now.version != record.challenger:  # else another run has followed the same decision
            kept.end(one, FAILED, str(error))
            raise
    kept.end(one, DONE, record.verdict["sentence"])


def finish_decided(rounds: str, champions: Champions, settings: RoundsSettings) -> str:
    """Follow the decision of the last round if a killed run did not; what was done, "" for nothing."""
    last = Rounds(rounds).last()
    record = decided_in(last.place) if last and not last.ended else None
    if record is None:
        return ""
    try:
        return follow(rounds, record, champions, settings)
    except PromotionError as error:
        return f"Round {record.number} had decided, too late: {error}."


def reasons(record: RoundRecord) -> str:
    """The verdict in Markdown, as it stands in the log of champions."""
    rules = "\n".join(f"- {rule['asked']}: {rule['found']}" for rule in record.verdict["rules"])
    return f"Round {record.number}. {record.verdict['sentence']}\n\n{rules}"
