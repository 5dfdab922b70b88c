"""schedule: create or replace a recurring run by its name; list, delete, enable and disable them."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands import chosen, cluster

if TYPE_CHECKING:
    from pipelines.submission.connection import Cluster
    from pipelines.submission.schedules import Timing


def add(subparsers: Any) -> None:
    """The command's options: a pipeline to schedule, or one thing to do with schedules that are there."""
    parser = subparsers.add_parser("schedule", help="start runs on a cluster by the clock", **cluster.STRICT)
    cluster.add_connection(parser)
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--list", action="store_true", help="the experiment's schedules")
    there.add_argument("--delete", metavar="NAME", help="remove a schedule; runs that it started stay")
    there.add_argument("--enable", metavar="NAME", help="let a schedule fire again")
    there.add_argument("--disable", metavar="NAME", help="keep a schedule from firing")
    scheduled = parser.add_subparsers(dest="pipeline")
    for name in chosen.CONFIGS:
        options = scheduled.add_parser(name, help=f"runs of the pipeline `{name}`", **cluster.STRICT)
        cluster.add_connection(options, default=argparse.SUPPRESS)
        cluster.add_submission(options, name)
        options.add_argument("--name", required=True, help="name of the schedule; one of this name is replaced")
        options.add_argument(
            "--cron", required=True, help='six fields, seconds first: "0 0 3 * * *" is 3:00 by the API server\'s clock'
        )
        options.add_argument("--start", default="", metavar="TIME", help="first moment, e.g. 2026-12-01T00:00:00Z")
        options.add_argument("--end", default="", metavar="TIME", help="last moment")
        options.add_argument("--paused", action="store_true", help="make it disabled; --enable lets it fire")


def run(given: argparse.Namespace) -> int:
    """Do it and print what is so now."""
    from groundtune.errors import SettingError
    from pipelines.submission.connection import Cluster

    asked = given.list or given.delete or given.enable or given.disable
    if bool(asked) == bool(given.pipeline):
        expected = "a pipeline, or one of --list, --delete, --enable, --disable"
        raise SettingError("schedule", given.pipeline or "nothing", expected)
    if not given.pipeline:
        return _existing(given, Cluster(cluster.connection(given)))
    return _replace(given)


def _replace(given: argparse.Namespace) -> int:
    from pipelines.submission.connection import Cluster
    from pipelines.submission.schedules import replace

    timing = _timing(given)
    with tempfile.TemporaryDirectory() as folder:
        wanted = cluster.submission(given, given.name, Path(folder))
        api = Cluster(cluster.connection(given))
        made = replace(api, wanted, timing, lambda words: print(words, file=sys.stderr))
    print(f"schedule  {given.name} ({made}), {'paused' if timing.paused else timing.cron}")
    print(f"page      {api.at.page('recurringrun', made)}")
    return 0


def _timing(given: argparse.Namespace) -> "Timing":
    from pipelines.submission.cron import check_cron, check_window
    from pipelines.submission.schedules import Timing

    check_window(given.start, given.end)
    return Timing(check_cron(given.cron), given.start, given.end, given.paused)


def _existing(given: argparse.Namespace, api: "Cluster") -> int:
    from pipelines.submission import schedules
    from pipelines.submission.runs import known_experiment_id

    experiment = known_experiment_id(api, cluster.experiment(given))
    if given.list:
        for one in schedules.named(api, experiment):
            print(_line(one))
    elif given.delete:
        for one in schedules.existing(api, experiment, given.delete, "--delete"):
            schedules.delete(api, one)
            print(f"deleted   {one.display_name} ({one.recurring_run_id})")
    else:
        name, on = given.enable or given.disable, bool(given.enable)
        found = schedules.existing(api, experiment, name, "--enable" if on else "--disable")
        schedules.switch(api, found, on)
        print(f"{'enabled' if on else 'disabled'}   {name}")
    return 0


def _line(one: Any) -> str:
    from pipelines.submission.schedules import is_enabled

    cron = one.trigger.cron_schedule.cron if one.trigger and one.trigger.cron_schedule else "not by cron"
    state = "enabled" if is_enabled(one) else "disabled"
    return f"{one.display_name:<30}  {state:<8}  {cron:<20}  {one.recurring_run_id}"
