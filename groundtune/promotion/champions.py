"""Who is champion: a log of reigns in the MLflow registry, which two writers cannot both continue.

MLflow has aliases, but nothing that sets one only if it still is what it was. It numbers the versions of a registered
model, though, one after the other whoever asks. So beside the model `<name>` there is `<name>-champions`, and its
versions are the reigns: each says which version of `<name>` it made champion, and after which reign. Of two that follow
the same reign the first counts, the other is overtaken (docs/decisions/0036). The aliases `champion` and `previous`
follow from the log and can be set from it at any time.
"""

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from groundtune.errors import PromotionError
from groundtune.promotion.registered_models import ensure_model, registry_place
from groundtune.tracking import place as places

CHAMPION, PREVIOUS = "champion", "previous"
PROMOTE, ROLLBACK = "promote", "rollback"
_LOG = "-champions"  # the log's name follows the model's
_CHAMPION, _AFTER, _KIND = "groundtune.version", "groundtune.after", "groundtune.kind"
_BY, _CLAIM = "groundtune.by", "groundtune.claim"
_TIMEOUT = 30  # seconds a request
_PAGE = 200  # versions a request
_TRIES = 10  # to set aliases while others go on promoting
_LONGEST = 4900  # characters of a description; a registry column holds 5,000


@dataclass(frozen=True)
class Reign:
    """number: from 1, rising, with gaps where others were overtaken. version: of the model. kind: PROMOTE or ROLLBACK.
    by: who did it, a pipeline run or a user. since: UTC. reasons: Markdown."""

    number: int
    version: str
    kind: str
    by: str
    since: datetime
    reasons: str


class Champions:
    """The log of one registered model. Every method asks the server; TrackingError when it does not answer."""

    def __init__(self, name: str):
        self.name, self.log = name, name + _LOG
        self._place = registry_place()
        self._client = places.client(self._place)

    def history(self) -> list[Reign]:
        """All reigns that count, the first one first; [] when there never was a champion."""
        return [reign for reign, _ in self._counted()]

    def current(self) -> Reign | None:
        """The last reign."""
        history = self.history()
        return history[-1] if history else None

    def reign(self, number: int) -> Reign | None:
        """The reign of that number, None for 0 and for one that does not count."""
        return next((reign for reign in self.history() if reign.number == number), None)

    def version_of(self, alias: str) -> str:
        """The version that an alias of the model points at; TrackingError when there is none."""
        with self._asking("read the registry of"):
            return str(self._client.get_model_version_by_alias(self.name, alias).version)

    def promote(self, version: str, after: Reign | None, reasons: str, by: str = "") -> Reign:
        """Make a version champion, provided that `after` still is the last reign: the one that the version was held
        against. Raises PromotionError when another came first; then nothing has changed. A version that reigns already
        stays (a retried task)."""
        last = self.current()
        if last is not None and last.version == version:
            self.set_aliases()
            return last
        return self._append(version, after, PROMOTE, reasons, by)

    def rollback(self, reasons: str, by: str = "") -> Reign:
        """Make the version champion that was it before the present one. Going back twice goes back two, not forth:
        a version that was left behind is no way back. Raises PromotionError when there is none."""
        history = self.history()
        before = previous_of(history)
        if before is None:
            found = f"{self.name} has no champion" if not history else f"{self.name} never had another champion"
            raise PromotionError(f"{found}: there is nothing to go back to")
        return self._append(before, history[-1], ROLLBACK, reasons, by)

    def set_aliases(self) -> None:
        """`champion` and `previous` as the log says, whoever was killed between the two."""
        with self._asking("set an alias on"):
            for _ in range(_TRIES):
                history = self.history()
                wanted = {CHAMPION: history[-1].version if history else None, PREVIOUS: previous_of(history)}
                aliases = self._client.get_registered_model(self.name).aliases
                found = {alias: str(version) for alias, version in aliases.items()}  # a database gives numbers
                wrong = {alias: version for alias, version in wanted.items() if found.get(alias) != version}
                if not wrong:
                    return
                for alias, version in wrong.items():
                    self._set_alias(alias, version)
        raise PromotionError(f"the aliases of {self.name} were changed by others {_TRIES} times; look at {self.log}")

    def _set_alias(self, alias: str, version: str | None) -> None:
        """None: take it away. MLflow looks whether the alias is there and then writes: of two that do so at the same
        moment its database refuses one, which looks again with the next try."""
        from mlflow.exceptions import MlflowException

        try:
            if version is None:
                self._client.delete_registered_model_alias(self.name, alias)
            else:
                self._client.set_registered_model_alias(self.name, alias, version)
        except MlflowException as error:
            if "IntegrityError" not in str(error):
                raise
            time.sleep(random.uniform(0.1, 0.5))

    def _append(self, version: str, after: Reign | None, kind: str, reasons: str, by: str) -> Reign:
        claim = uuid.uuid4().hex  # a request that is sent twice makes two entries; either is this one
        tags = {_CHAMPION: version, _AFTER: str(after.number if after else 0), _KIND: kind, _BY: by, _CLAIM: claim}
        with self._asking("promote on"):
            made = self._client.get_model_version(self.name, version)
            ensure_model(self._client, self.log, f"The champions of `{self.name}`, one a version.")
            self._client.create_model_version(
                self.log, str(made.source), run_id=made.run_id or None, tags=tags, description=reasons[:_LONGEST]
            )
        counted = self._counted()
        self.set_aliases()
        for reign, of in counted:
            if of == claim:
                return reign
        raise PromotionError(
            f"version {version} of {self.name} was to follow {_called(after)}, but by now {_called(counted[-1][0])} is "
            "champion: it was not promoted; hold it against the present champion"
        )

    def _counted(self) -> list[tuple[Reign, str]]:
        """The reigns that count, each with its claim. One that follows an earlier reign than the last that counted came
        too late. Entries that somebody deleted from the log, or put there by hand, change nothing about the others."""
        counted: list[tuple[Reign, str]] = []
        for entry in self._entries():
            tags = entry.tags
            if _CLAIM not in tags or int(tags[_AFTER]) < (counted[-1][0].number if counted else 0):
                continue
            since = datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC)
            reasons = entry.description or ""
            reign = Reign(int(entry.version), tags[_CHAMPION], tags[_KIND], tags.get(_BY, ""), since, reasons)
            counted.append((reign, tags[_CLAIM]))
        return counted

    def _entries(self) -> list[Any]:
        """Versions of the log, by number."""
        found: list[Any] = []
        token = None
        quoted = self.log.replace("'", "\\'")
        with self._asking("read the registry of"):
            while True:
                page = self._client.search_model_versions(f"name = '{quoted}'", max_results=_PAGE, page_token=token)
                found += page
                token = page.token
                if not token:
                    return sorted(found, key=lambda entry: int(entry.version))

    @contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        with places.patience(_TIMEOUT, retries=3), places.reported(self._place, action):
            yield


def previous_of(history: Sequence[Reign]) -> str | None:
    """The version that a rollback would go back to: reigns are a stack, a promotion puts one on top, a rollback takes
    one away."""
    stack: list[str] = []
    for reign in history:
        if reign.kind == ROLLBACK:
            del stack[-1:]
        else:
            stack.append(reign.version)
    return stack[-2] if len(stack) > 1 else None


def described(history: Sequence[Reign], reasons: bool = False) -> str:
    """A table for a terminal: one reign a line, the present one last; with `reasons` what is said of each below it."""
    lines = [f"{'reign':<6} {'version':<8} {'how':<9} {'since (UTC)':<17} by"]
    for reign in history:
        since = reign.since.strftime("%Y-%m-%d %H:%M")
        lines.append(f"{reign.number:<6} {reign.version:<8} {reign.kind:<9} {since:<17} {reign.by}".rstrip())
        lines += [f"       {line}".rstrip() for line in reign.reasons.splitlines() if reasons]
    return "\n".join(lines)


def _called(reign: Reign | None) -> str:
    return f"version {reign.version} (reign {reign.number})" if reign else "nobody"
