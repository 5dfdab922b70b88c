"""Where a run is logged: read from the environment only, so that it never enters a cache key.

| variable | meaning |
|---|---|
| MLFLOW_TRACKING_URI | the server; unset: nothing is tracked, and a line says so |
| MLFLOW_EXPERIMENT_NAME | experiment, default `groundtune`; MLFLOW_EXPERIMENT_ID wins |
| GROUNDTUNE_RUN_ID | one id a pipeline run: its stages become nested runs of one parent |
| MLFLOW_RUN_ID | set by the pipeline backend's MLflow plugin: the nested run that already exists for this task |

MLFLOW_TRACKING_AUTH, _TOKEN, _USERNAME, _PASSWORD, _SERVER_CERT_PATH and MLFLOW_WORKSPACE are read by MLflow itself.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundtune.errors import TrackingError
from groundtune.tracking.redaction import scrub

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI = "MLFLOW_TRACKING_URI"
# Stages whose face has a KFP Metrics output. With the plugin the backend logs what is in it, once the task has ended,
# into the same run: logging those scalars here as well would double them. A test compares this with components/.
KFP_METRICS = frozenset(
    {
        "evaluate", "probe_modality", "report_rounds", "score_answers", "select_pairs", "train_dpo", "train_dpo_job",
        "write_report",
    }
)  # fmt: skip
# Faces with such an output whose task runs several stages: each of them logs its own figures under its name there.
KFP_METRICS_OF_TASKS = frozenset({"train_method"})


class RefusedError(TrackingError):
    """The server was reached and will never take this request, however often it is sent."""


@dataclass(frozen=True)
class Place:
    """Server, experiment and run ids of this process."""

    uri: str
    experiment_name: str
    experiment_id: str
    run_id: str  # of the pipeline, "" when a stage runs on its own
    plugin_run: str  # the nested MLflow run that the pipeline backend made, or ""

    @property
    def by_plugin(self) -> bool:
        """True when the pipeline backend owns the runs: it starts and ends them and logs the KFP scalars itself."""
        return bool(self.plugin_run)


def current() -> Place | None:
    """The place to log to; None when no server is configured, or in a distributed worker that is not rank 0."""
    uri = os.environ.get(URI, "")
    if not uri or os.environ.get("RANK", "0") != "0":
        return None
    return Place(
        uri=uri,
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME") or "groundtune",
        experiment_id=os.environ.get("MLFLOW_EXPERIMENT_ID", ""),
        run_id=os.environ.get("GROUNDTUNE_RUN_ID", "").replace("'", ""),  # a quote would end the search's text
        plugin_run=os.environ.get("MLFLOW_RUN_ID", ""),
    )


def client(place: Place) -> "MlflowClient":
    """A client of that server; the fluent API's global state is not touched."""
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise TrackingError(f"{URI} is set, but mlflow is not installed; install groundtune[stage]") from error
    with reported(place, "use"):
        return MlflowClient(tracking_uri=place.uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or place.uri)


@contextmanager
def reported(place: Place, action: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one sentence that names the variable to look at."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    kinds: list[type[Exception]] = [MlflowException, RequestException, OSError]
    if "sqlalchemy" in sys.modules:  # a sqlite:/// or postgresql:// URI talks to the database without a server
        kinds.append(sys.modules["sqlalchemy"].exc.SQLAlchemyError)
    try:
        yield
    except tuple(kinds) as error:
        status = error.get_http_status_code() if isinstance(error, MlflowException) else 0
        final = status in (400, 404, 409, 422) or isinstance(error, FileNotFoundError)
        reason = " ".join(str(error).split())[:600]
        raise (RefusedError if final else TrackingError)(
            scrub(
                f"cannot {action} the MLflow server {place.uri}: {reason}; check {URI} and its credentials "
                f"(MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), "
                f"or unset {URI} to run without tracking"
            )
        ) from None  # the cause's text may hold credentials


@contextmanager
def patience(timeout: int, retries: int) -> Iterator[None]:
    """How long MLflow's client waits: seconds a request and how often it repeats one.

    Its own defaults (120 s, 7 retries) would hold a stage for minutes; they are read from the environment at every
    request, so they are set for the duration of ours and put back.
    """
    ours = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries)}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
