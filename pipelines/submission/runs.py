"""Start a run."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.submission.connection import Cluster, ClusterError


@dataclass(frozen=True)
class Submission:
    """What is started, now or by a schedule, and as whom.

    arguments: the pipeline's parameters. service_account: whose rights the pods have. pipeline_root: URI below which
    artifacts are kept, "" for the cluster's own.
    """

    package: Path
    name: str
    arguments: dict[str, Any]
    experiment: str
    service_account: str
    pipeline_root: str = ""


def experiment_id(cluster: Cluster, name: str) -> str:
    """The id of that experiment, which is made when it is not there."""
    with cluster.asking(f"find or make --experiment {name!r}"), _silent():
        found = cluster.client.create_experiment(name)
    return given_id(found.experiment_id, "the experiment")


def known_experiment_id(cluster: Cluster, name: str) -> str:
    """The id of an experiment that is there. Raises ClusterError when it is not."""
    with cluster.asking(f"find --experiment {name!r}"):
        return given_id(cluster.client.get_experiment(experiment_name=name).experiment_id, "the experiment")


def start(cluster: Cluster, wanted: Submission) -> str:
    """Start a run and return its id."""
    experiment = experiment_id(cluster, wanted.experiment)
    try:
        with cluster.asking(f"start the run {wanted.name!r}"), _silent():
            run = cluster.client.run_pipeline(
                experiment,
                wanted.name,
                str(wanted.package),
                wanted.arguments,
                pipeline_root=wanted.pipeline_root or None,
                service_account=wanted.service_account,
            )
    except KeyboardInterrupt as error:
        told = f"interrupted; the run {wanted.name!r} may have started: look before you repeat it"
        raise ClusterError(told) from error
    return given_id(run.run_id, "the run")


def given_id(found: str | None, what: str) -> str:
    """kfp's client takes any reply for an empty answer. Raises ClusterError when there is no id in it."""
    if not found:
        raise ClusterError(f"the API's reply has no id of {what}: check that --host is the API of Kubeflow Pipelines")
    return found


def _silent() -> contextlib.redirect_stdout[io.StringIO]:
    return contextlib.redirect_stdout(io.StringIO())  # kfp prints links; the commands print their own
