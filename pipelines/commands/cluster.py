"""What every command that speaks to a cluster shares: where it is, and what is sent there."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands import chosen
from pipelines.commands.lock import add_allow_tags

if TYPE_CHECKING:
    from pipelines.submission.connection import Connection
    from pipelines.submission.runs import Submission

# kfp's own variables where it has one: a notebook on Kubeflow sets them.
HOST, TOKEN_FILE, UI = "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH", "KF_PIPELINES_UI_ENDPOINT"
NAMESPACE, CA_CERT = "GROUNDTUNE_KFP_NAMESPACE", "GROUNDTUNE_KFP_CA_CERT"
# `--token SECRET` is a mistake, not short for --token-file, whose value errors repeat.
STRICT: dict[str, Any] = {"allow_abbrev": False}
EXPERIMENT, SERVICE_ACCOUNT = "groundtune", "groundtune-runner"


def add_connection(parser: argparse.ArgumentParser, default: Any = None) -> None:
    """Where the API is and as whom we speak to it. default: SUPPRESS where a parser above has the same options."""
    group = parser.add_argument_group("cluster", "a token is read from --token-file or from GROUNDTUNE_KFP_TOKEN")
    for option, words in (
        ("--host", f"URL of the API, e.g. https://kubeflow.example/pipeline (or {HOST})"),
        ("--token-file", f"file with a bearer token, read again for every request (or {TOKEN_FILE})"),
        ("--namespace", f"profile of a multi-user Kubeflow (or {NAMESPACE})"),
        ("--ca-cert", f"PEM file of the authority of the host's certificate (or {CA_CERT})"),
        ("--experiment", f"experiment of the runs (default: {EXPERIMENT})"),
    ):
        group.add_argument(option, default=default, help=words)


def add_submission(parser: argparse.ArgumentParser, pipeline: str) -> None:
    """The run's settings, and how its tasks run."""
    chosen.add_options(parser, pipeline)
    parser.add_argument("--images", metavar="FILE", help="an images.lock: the images of every task, by digest")
    add_allow_tags(parser)
    parser.add_argument("--resources", default="", help="YAML of CPU and memory by component, over resources.yaml")
    parser.add_argument("--service-account", default=SERVICE_ACCOUNT, help="whose rights the pods have")
    parser.add_argument("--pipeline-root", default="", help="s3:// prefix of the artifacts (default: the cluster's)")
    parser.add_argument(
        "--mounted", action="append", default=[], metavar="FOLDER", help="a volume of the tasks' pods; may repeat"
    )
    parser.add_argument(
        "--cache",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="take the outputs of an equal task that ran before, where a stage allows it (default)",
    )


def connection(given: argparse.Namespace) -> "Connection":
    """The options, completed from the environment."""
    from pipelines.submission.connection import Connection

    def chosen_for(option: str | None, variable: str) -> str:
        return option if option is not None else os.environ.get(variable, "")

    return Connection(
        host=chosen_for(given.host, HOST),
        namespace=chosen_for(given.namespace, NAMESPACE),
        token_file=chosen_for(given.token_file, TOKEN_FILE),
        ca_cert=chosen_for(given.ca_cert, CA_CERT),
        ui=os.environ.get(UI, ""),
    )


def experiment(given: argparse.Namespace) -> str:
    """Its name."""
    return str(given.experiment or EXPERIMENT)


def submission(given: argparse.Namespace, name: str, folder: Path) -> "Submission":
    """Everything that can be wrong is checked here, before the cluster hears of it; the package is made in `folder`.

    Raises SettingError that names the setting.
    """
    from groundtune.errors import SettingError
    from pipelines import image_lock
    from pipelines.packages import OURS, POD, TRAINJOB, Packaging, compile_one
    from pipelines.submission.places import check_pipeline_root, check_places
    from pipelines.submission.runs import Submission

    loaded = chosen.load(given)
    check_places(loaded, loaded.arguments(), tuple(given.mounted))
    check_pipeline_root(given.pipeline_root)
    if not given.images and not given.allow_tags:
        raise SettingError("--images", "nothing", "an images.lock (python -m pipelines lock), or --allow-tags")
    images = image_lock.read(Path(given.images), given.allow_tags) if given.images else None
    arguments = chosen.arguments(given, loaded)
    name_of_package = chosen.package_name(loaded)
    how = Packaging(
        images,
        given.resources,
        trainer=TRAINJOB if arguments.get("parallel", {}).get("nodes", 1) > 1 else POD,
        sampler=arguments.get("sampling", {}).get("engine", OURS),
        caching=given.cache,
    )
    if how.trainer == TRAINJOB and not given.pipeline_root.startswith("s3://"):
        expected = "an s3:// prefix: with parallel.nodes above 1 the pods of a TrainJob read the tasks' artifacts there"
        raise SettingError("--pipeline-root", given.pipeline_root, expected)
    made = compile_one(name_of_package, folder / f"{name_of_package}.yaml", how)
    return Submission(made, name, arguments, experiment(given), given.service_account, given.pipeline_root)
