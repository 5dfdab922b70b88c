"""submit: start a run on a cluster, and follow it if wanted."""

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.commands import chosen, cluster


def add(subparsers: Any) -> None:
    """The command's options, for each pipeline."""
    parser = subparsers.add_parser("submit", help="start a run on a cluster")
    started = parser.add_subparsers(dest="pipeline", required=True)
    for name in chosen.CONFIGS:
        options = started.add_parser(name, help=f"the pipeline `{name}`", **cluster.STRICT)
        cluster.add_connection(options)
        cluster.add_submission(options, name)
        options.add_argument("--run-name", default="", help="name of the run (default: the pipeline and the time)")
        options.add_argument("--wait", action="store_true", help="follow the run; the exit status tells its end")
        options.add_argument(
            "--retries", type=int, default=0, metavar="N", help="with --wait: try a failed run again, up to N times"
        )


def run(given: argparse.Namespace) -> int:
    """Start the run, print its id and page; with --wait, 0 when it succeeded and 1 when not."""
    from groundtune.errors import SettingError
    from pipelines.config import RetrainConfig
    from pipelines.submission.connection import Cluster
    from pipelines.submission.following import follow
    from pipelines.submission.runs import start
    from pipelines.submission.tasks import stage_names

    if given.retries < 0 or (given.retries and not given.wait):
        raise SettingError("--retries", given.retries, "0 or more, with --wait: it is this command that tries again")
    if given.retries and given.pipeline.startswith(RetrainConfig.PIPELINE):
        expected = "0 for a retraining: the rows of a failed round are the next round's, so start another run"
        raise SettingError("--retries", given.retries, expected)
    name = given.run_name or f"{given.pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with tempfile.TemporaryDirectory() as folder:
        wanted = cluster.submission(given, name, Path(folder))
        api = Cluster(cluster.connection(given))
        run_id = start(api, wanted)
        stages = stage_names(wanted.package)
    print(f"run   {run_id}\npage  {api.at.page('runs', run_id)}", flush=True)
    if not given.wait:
        return 0
    try:
        succeeded = follow(api, run_id, stages, lambda line: print(line, flush=True), given.retries)
    except KeyboardInterrupt:
        print("not followed any more; the run goes on", file=sys.stderr)
        return 130
    return 0 if succeeded else 1
