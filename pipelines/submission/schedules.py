"""Schedules: KFP's recurring runs, by name. They cannot be edited, only replaced (docs/decisions/0020)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundtune.errors import SettingError
from pipelines.submission.connection import Cluster, ClusterError
from pipelines.submission.runs import Submission, experiment_id, given_id

_PAGE = 100  # schedules a request
_EQUALS = "EQUALS"


@dataclass(frozen=True)
class Timing:
    """When a schedule fires. cron: checked, in the API server's time zone (UTC unless it was told otherwise).

    start, end: RFC 3339 with a zone, "" for no limit. paused: it is made, and fires when somebody enables it.
    """

    cron: str
    start: str = ""
    end: str = ""
    paused: bool = False


def replace(cluster: Cluster, wanted: Submission, timing: Timing, say: Callable[[str], None]) -> str:
    """Make the schedule, in the place of every one of its name in the experiment, and return its id.

    At no moment two of them are enabled. Whatever fails before the new one is enabled leaves the old one as it was.
    Raises ClusterError that says what is so now.
    """
    experiment = experiment_id(cluster, wanted.experiment)
    old = named(cluster, experiment, wanted.name)
    new = _create(cluster, experiment, wanted, timing)
    live = [one for one in old if is_enabled(one)]
    switched = False
    try:
        for one in live:
            _switch(cluster, one.recurring_run_id, wanted.name, on=False)
        if not timing.paused:
            switched = True
            _switch(cluster, new, wanted.name, on=True)
    except (ClusterError, KeyboardInterrupt) as error:
        raise ClusterError(
            f"{str(error) or 'interrupted'}; {_undo(cluster, wanted.name, new, switched, live)}"
        ) from error
    for one in old:
        try:
            delete(cluster, one)
        except ClusterError as error:
            say(f"{error}; the new schedule is in place, the old one is disabled: run the command again to remove it")
    return new


def named(cluster: Cluster, experiment: str, name: str = "") -> list[Any]:
    """The experiment's schedules of that name, newest first; all of them for ""."""
    wanted = {"operation": _EQUALS, "key": "display_name", "stringValue": name}
    found: list[Any] = []
    token = ""
    while True:
        with cluster.asking("list the schedules"):
            page = cluster.client.list_recurring_runs(
                page_token=token,
                page_size=_PAGE,
                sort_by="created_at desc",
                experiment_id=experiment,
                filter=json.dumps({"predicates": [wanted]}) if name else None,
            )
        found += page.recurring_runs or []
        token = page.next_page_token or ""
        if not token:
            return [one for one in found if not name or one.display_name == name]


def existing(cluster: Cluster, experiment: str, name: str, option: str) -> list[Any]:
    """Like `named`. Raises SettingError that lists the names when there is none of this one."""
    everything = named(cluster, experiment)
    found = [one for one in everything if one.display_name == name]
    if not found:
        names = ", ".join(sorted({one.display_name for one in everything})) or "none: the experiment has no schedule"
        raise SettingError(option, name, f"the name of a schedule of --experiment ({names})")
    return found


def delete(cluster: Cluster, schedule: Any) -> None:
    """Remove one schedule; runs that it started stay. One that is gone already is fine."""
    try:
        with cluster.asking(f"delete the schedule {schedule.display_name!r} ({schedule.recurring_run_id})"):
            cluster.client.delete_recurring_run(schedule.recurring_run_id)
    except ClusterError as error:
        if error.status != 404:
            raise


def switch(cluster: Cluster, found: list[Any], on: bool) -> None:
    """Enable or disable schedules of one name. Raises SettingError when enabling would leave several enabled."""
    if on and len(found) > 1:
        expected = "one schedule of this name; a replacement was interrupted: schedule it again, which removes the rest"
        raise SettingError("--enable", found[0].display_name, expected)
    for one in found:
        _switch(cluster, one.recurring_run_id, one.display_name, on)


def is_enabled(schedule: Any) -> bool:
    """Whether it fires. `status` follows `mode` with a delay; one of which neither is known counts as enabled."""
    return bool(schedule.mode == "ENABLE" or (schedule.mode != "DISABLE" and schedule.status != "DISABLED"))


def _create(cluster: Cluster, experiment: str, wanted: Submission, timing: Timing) -> str:
    with cluster.asking(f"make the schedule {wanted.name!r} (what was there is as it was)"):
        made = cluster.client.create_recurring_run(
            experiment_id=experiment,
            job_name=wanted.name,
            description=f"groundtune {wanted.package.stem}; made by `python -m pipelines schedule`",
            start_time=timing.start or None,
            end_time=timing.end or None,
            cron_expression=timing.cron,
            max_concurrency=1,  # the next run waits for the one before
            no_catchup=True,  # what was missed is not made up for: one run sees all the data there is
            params=wanted.arguments,
            pipeline_package_path=str(wanted.package),
            enabled=False,
            pipeline_root=wanted.pipeline_root or None,
            service_account=wanted.service_account,
        )
    return given_id(made.recurring_run_id, "the schedule")


def _switch(cluster: Cluster, schedule: str, name: str, on: bool) -> None:
    action = "enable" if on else "disable"
    with cluster.asking(f"{action} the schedule {name!r} ({schedule})"):
        (cluster.client.enable_recurring_run if on else cluster.client.disable_recurring_run)(schedule)


def _undo(cluster: Cluster, name: str, new: str, switched: bool, live: list[Any]) -> str:
    """Take the new schedule away, then enable the old ones again; what is so now, in words.

    Where the new one may be enabled and cannot be taken away, the old ones stay disabled: rather none than two.
    """
    try:
        with cluster.asking("delete the new one"):
            cluster.client.delete_recurring_run(new)
    except ClusterError:
        if switched:
            return f"the new schedule ({new}) may be enabled, the old one is disabled: run the command again"
    try:
        for one in live:
            _switch(cluster, one.recurring_run_id, name, on=True)
    except ClusterError:
        return "the old schedule may be disabled: --enable it, or run the command again"
    return "the old schedule is as it was" if live else "no schedule of this name is enabled, as before"
