"""MLflow tracking: one parent run a pipeline run, a nested run a stage. Where to log is environment, never data.

`place` lists the variables. Decisions: docs are in the modules that take them (`delivery`: a server that dies midway;
`runs`: shards that start together; `stage_run`: the pipeline backend's plugin).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune.progress import say
from groundtune.tracking import place as places
from groundtune.tracking import runs, values
from groundtune.tracking.delivery import Delivery
from groundtune.tracking.redaction import scrub
from groundtune.tracking.stage_run import MlflowRun, StageRun, stage

__all__ = ["StageRun", "check", "close", "enabled", "scrub", "stage", "summary"]

_CHECK_TIMEOUT, _CHECK_RETRIES = 4, 1  # seconds a request, repeats: an answer, or an error, within about 10 s


def enabled() -> bool:
    """True when this process logs to a server."""
    return places.current() is not None


def check() -> None:
    """Before expensive work: the server answers and lets us use the experiment (or the plugin's run).

    Raises TrackingError, within about 10 s, that names MLFLOW_TRACKING_URI. Without a server: one line, no error.
    """
    place = places.current()
    if place is None:
        say("tracking", f"off: {places.URI} is not set or this is not rank 0")
        return
    client = places.client(place)
    with places.patience(_CHECK_TIMEOUT, _CHECK_RETRIES), places.reported(place, "use"):
        if place.by_plugin:
            client.get_run(place.plugin_run)
        else:
            runs.experiment_id(client, place)
    say("tracking", scrub(f"{place.uri} answers"))


def summary(
    metrics: Mapping[str, Any],
    artifacts: Sequence[Path] = (),
    description: str = "",
    tags: Mapping[str, object] | None = None,
) -> None:
    """Headline figures and files (the HTML report) on the pipeline's parent run.

    description: Markdown that MLflow's page of the run shows above its figures; as many of its blocks as fit. tags: by
    name, their values as text without secrets.
    Figures that are already there with the same value are not repeated. Outside a pipeline run they get a run of
    their own, named `summary`. Raises TrackingError when the server cannot be reached at the start.
    """
    figures = values.figures(metrics)
    place = places.current()
    if place is None:
        say("tracking", f"summary: off, {places.URI} is not set or this is not rank 0")
        return
    client = places.client(place)
    with places.patience(8, 2), places.reported(place, "log a summary to"):
        experiment = runs.experiment_id(client, place)
        parent = runs.parent_run(client, place, experiment)
        alone = parent is None and not place.by_plugin
        if parent is None and place.by_plugin:
            parent = client.get_run(place.plugin_run)
        target = parent or client.create_run(experiment, run_name="summary")
    run_id, before = target.info.run_id, target.data.metrics
    delivery = Delivery(place, "summary")
    for name, value in figures.items():
        if before.get(name) != value:
            delivery.send(lambda name=name, value=value: client.log_metric(run_id, name, value, synchronous=True))  # type: ignore[misc]
    for name, given in (tags or {}).items():
        key, text = values.key(name), values.tag_text(name, given)
        delivery.send(lambda key=key, text=text: client.set_tag(run_id, key, text))  # type: ignore[misc]
    if description:
        from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

        text = values.description(description)
        delivery.send(lambda: client.set_tag(run_id, MLFLOW_RUN_NOTE, text))
    upload = MlflowRun(client, run_id, delivery)
    for path in artifacts:
        upload.artifact(Path(path))
    if alone:
        delivery.send(lambda: client.set_terminated(run_id))
    delivery.close()


def close(status: str, error: str = "", artifacts: Sequence[Path] = ()) -> None:
    """End the pipeline's parent run for good: FINISHED, FAILED or KILLED, with the error as a tag and files beside it.

    With the backend's plugin the parent's status is the backend's; tag and files are added. Without a server or a
    pipeline run: nothing. Raises TrackingError when the server cannot be reached at the start.
    """
    place = places.current()
    if place is None or not (place.run_id or place.by_plugin):
        return
    client = places.client(place)
    with places.patience(8, 2), places.reported(place, "end a run on"):
        parent = runs.parent_run(client, place, runs.experiment_id(client, place))
    if parent is None:
        return
    run_id = parent.info.run_id
    delivery = Delivery(place, "close")
    upload = MlflowRun(client, run_id, delivery)
    upload.tag(runs.STATUS, status)
    upload.tag("groundtune.error", error)  # "" where an earlier attempt failed and this one did not
    for path in artifacts:
        upload.artifact(Path(path))
    if not place.by_plugin:
        delivery.send(lambda: client.set_terminated(run_id, status))
    delivery.close()
