"""Finding and creating MLflow runs: one parent a pipeline run, one nested run a stage, however many start at once."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune.errors import TrackingError
from groundtune.tracking.place import Place

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_ID = "groundtune.run_id"
STAGE_KEY = "groundtune.stage_key"
PARENT = "mlflow.parentRunId"
STATUS = "groundtune.status"  # how the whole pipeline ended, which close_run says
_SETTLE = 1.0  # seconds between creating a parent and choosing among all that were created at the same time
_ENDED = ("FINISHED", "FAILED", "KILLED")


KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages look for traces of an agent


def experiment_id(client: "MlflowClient", place: Place) -> str:
    """The experiment's id; created on first use."""
    from mlflow.exceptions import MlflowException

    if place.experiment_id:
        return place.experiment_id
    found = client.get_experiment_by_name(place.experiment_name)
    if found is None:
        try:
            return str(client.create_experiment(place.experiment_name, _artifact_location(place.uri), tags=KIND))
        except MlflowException:  # another task created it in the meantime; anything else fails again below
            found = client.get_experiment_by_name(place.experiment_name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"MLFLOW_EXPERIMENT_NAME={place.experiment_name!r} names a deleted experiment; restore it or name another"
        )
    return str(found.experiment_id)


def parent_run(client: "MlflowClient", place: Place, experiment: str) -> "Run | None":
    """The pipeline run's MLflow run: the backend's own with the plugin, else the one tagged GROUNDTUNE_RUN_ID.

    None when a stage runs on its own. Tasks that start together may each create one. After a pause that is longer
    than a search and a create, all of them are visible to all of their makers; everyone takes the oldest (by start
    time, then id: any common order would do, so clocks need not agree) and each maker deletes its own if it lost.
    """
    if place.by_plugin:
        run = client.get_run(place.plugin_run)
        while above := run.data.tags.get(PARENT):  # a loop's iterations hang below the loop's run
            run = client.get_run(above)
        return None if run.info.run_id == place.plugin_run else run
    if not place.run_id:
        return None
    found = _oldest(client, experiment, RUN_ID, place.run_id)
    if found is None:
        made = client.create_run(experiment, tags={RUN_ID: place.run_id}, run_name=place.run_id)
        time.sleep(_SETTLE)
        found = _oldest(client, experiment, RUN_ID, place.run_id) or made
        if found.info.run_id != made.info.run_id:
            client.delete_run(made.info.run_id)
    return found


def stage_run(
    client: "MlflowClient", experiment: str, parent: "Run | None", name: str, key: str, tags: Mapping[str, str]
) -> "tuple[Run, bool]":
    """(run, resumed): the nested run with this key below this parent, reopened if it had ended, or a new one.

    key: digest of stage, shard, settings and inputs. A retried or resumed stage has the same key; the same stage
    with other settings has another, and gets a run of its own.
    """
    tags = {**tags, STAGE_KEY: key}
    if parent is not None:
        tags[PARENT] = parent.info.run_id
        found = _oldest(client, experiment, STAGE_KEY, key, parent.info.run_id)
        if found is not None:
            reopen(client, found)
            return found, True
    return client.create_run(experiment, tags=tags, run_name=name), False


def reopen(client: "MlflowClient", run: "Run") -> None:
    """RUNNING again, when it had ended; and so says its tag, when a whole pipeline had."""
    if run.info.status in _ENDED:
        client.update_run(run.info.run_id, status="RUNNING")
        if STATUS in run.data.tags:
            client.set_tag(run.info.run_id, STATUS, "RUNNING")


def settle_parent(client: "MlflowClient", experiment: str, parent_id: str) -> None:
    """The parent's status is that of its stages: running while one runs, failed when one failed, else finished.

    No stage knows that it is the last one, so each that ends does this; the next one to start reopens the parent.
    """
    children = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent_id}'", max_results=1000)
    statuses = {run.info.status for run in children}
    if not statuses & {"RUNNING", "SCHEDULED"}:
        client.set_terminated(parent_id, "FAILED" if statuses & {"FAILED", "KILLED"} else "FINISHED")


def _artifact_location(uri: str) -> str | None:
    """A server has its own place for files; for a bare SQLite file it is beside that file, not in the work folder."""
    if not uri.startswith("sqlite:///"):
        return None
    file = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    return file.absolute().with_suffix(".artifacts").as_uri()


def _oldest(client: "MlflowClient", experiment: str, tag: str, value: str, parent: str = "") -> "Run | None":
    wanted = f"tags.`{tag}` = '{value}'" + (f" and tags.`{PARENT}` = '{parent}'" if parent else "")
    runs: list[Any] = list(client.search_runs([experiment], wanted, max_results=100))
    return min(runs, key=lambda run: (run.info.start_time, run.info.run_id), default=None)
