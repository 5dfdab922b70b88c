"""One stage's MLflow run: params and lineage at the start, figures while it works, status at the end."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import groundtune
from groundtune.digests import digest_of
from groundtune.progress import say
from groundtune.tracking import ledger, runs, values
from groundtune.tracking import place as places
from groundtune.tracking.delivery import Delivery
from groundtune.tracking.ledger import StageNote
from groundtune.tracking.redaction import scrub, scrubbed_copy

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FIGURES_A_CALL, _PARAMS_A_CALL = 1000, 100  # limits of MLflow's log-batch
_START_TIMEOUT, _START_RETRIES = 8, 2


class StageRun:
    """What a stage logs to. Without a tracking server every method does nothing.

    run_id: the MLflow run, "" without a server.
    """

    run_id: str = ""
    note: StageNote | None = None  # what the run's ledger will say of this stage

    def metrics(self, figures: Mapping[str, Any], step: int | None = None) -> None:
        """Figures of the stage; nested mappings get dotted names.

        step None: the stage's final scalars. With the pipeline backend's plugin, those of a stage whose face has a
        KFP Metrics output (`place.KFP_METRICS`) are left to the backend, which logs that output into the same run.
        """
        flat = values.figures(figures)
        if step is None and self.note:
            self.note.figures |= flat
        self._figures([(flat, step)])

    def series(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Curves: mappings with an integer "step" and the figures of that step."""
        self._figures([(values.figures({k: v for k, v in s.items() if k != "step"}), int(s["step"])) for s in steps])

    def tag(self, name: str, value: object) -> None:
        """One tag, for instance a digest."""

    def output(self, digest: str, name: str = "") -> None:
        """Lineage: the digest of what this stage wrote."""
        self.tag(f"output.{name}.digest" if name else "output.digest", digest)

    def artifact(self, path: Path, folder: str = "") -> None:
        """Upload one file."""

    def _figures(self, points: "Sequence[tuple[dict[str, float], int | None]]") -> None:
        """Log (figures, step) points."""


class MlflowRun(StageRun):
    """A StageRun on a server."""

    def __init__(
        self,
        client: "MlflowClient",
        run_id: str,
        delivery: Delivery,
        *,
        resumed: bool = False,
        left_to_backend: bool = False,
        prefix: str = "",
    ):
        self.run_id, self._client, self._delivery = run_id, client, delivery
        self._left_to_backend, self._prefix = left_to_backend, prefix
        self._logged: dict[tuple[str, int], float] = self._history() if resumed else {}

    def tag(self, name: str, value: object) -> None:
        key, text = values.key(name), values.tag_text(name, value)
        self._delivery.send(lambda: self._client.set_tag(self.run_id, key, text))

    def artifact(self, path: Path, folder: str = "") -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file to log")

        def upload() -> None:
            with tempfile.TemporaryDirectory() as clean:
                self._client.log_artifact(self.run_id, str(scrubbed_copy(path, Path(clean))), folder or None)

        self._delivery.send(upload, upload=True)

    def _figures(self, points: "Sequence[tuple[dict[str, float], int | None]]") -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = []
        for figures, step in points:
            if step is None and self._left_to_backend:
                continue
            for name, value in figures.items():
                key = self._prefix + name
                at = (key, step or 0)
                # a resumed stage repeats steps it has logged; a final scalar is repeated only when it changed
                if at in self._logged and (step is not None or self._logged[at] == value):
                    continue
                self._logged[at] = value
                batch.append(Metric(key, value, now, step or 0))
        for start in range(0, len(batch), _FIGURES_A_CALL):
            chunk = batch[start : start + _FIGURES_A_CALL]
            self._delivery.send(lambda chunk=chunk: self._client.log_batch(self.run_id, metrics=chunk))  # type: ignore[misc]

    def _history(self) -> dict[tuple[str, int], float]:
        names = self._client.get_run(self.run_id).data.metrics
        points = [point for name in names for point in self._client.get_metric_history(self.run_id, name)]
        return {(point.key, point.step): point.value for point in points}


@contextmanager
def stage(
    name: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str] | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[StageRun]:
    """Track one stage: a nested run below the pipeline's, or the run that the backend's plugin made for this task.

    settings: `Settings.to_mapping()`; inputs: name -> digest of every input artifact; shard: (index, count).
    A stage that is started again with the same settings, inputs and GROUNDTUNE_RUN_ID goes on in its old run and
    repeats nothing there. Status: FINISHED, FAILED with the error's text, or KILLED (SIGTERM, Ctrl-C).
    Raises TrackingError when the server cannot be reached at the start; a server that fails later does not stop the
    stage (delivery.py). How it ended is also written into the run's ledger, with or without a server.
    """
    with ledger.noted(name, shard) as note, _tracked(name, settings, inputs, shard) as run:
        run.note = note
        yield run


@contextmanager
def _tracked(
    name: str, settings: Mapping[str, Any], inputs: Mapping[str, str] | None, shard: tuple[int, int]
) -> Iterator[StageRun]:
    place = places.current()
    if place is None:
        say("tracking", f"{name}: off, {places.URI} is not set or this is not rank 0")
        yield StageRun()
        return
    delivery = Delivery(place, name)
    client = places.client(place)
    with places.patience(_START_TIMEOUT, _START_RETRIES), places.reported(place, "start a run on"):
        run, parent = _start(client, place, name, settings, dict(inputs or {}), shard, delivery)
    say("tracking", scrub(f"{name}: run {run.run_id} on {place.uri}"))
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            status = "KILLED"
        run.tag("groundtune.error", values.error_text(error))
        raise
    finally:
        if not place.by_plugin:
            delivery.send(lambda: client.set_terminated(run.run_id, status))
            if parent:
                delivery.send(lambda: runs.settle_parent(client, runs.experiment_id(client, place), parent))
        delivery.close()


def _start(
    client: "MlflowClient",
    place: places.Place,
    name: str,
    settings: Mapping[str, Any],
    inputs: dict[str, str],
    shard: tuple[int, int],
    delivery: Delivery,
) -> tuple[StageRun, str]:
    """The stage's run with its params and tags, and the parent's id ("" when the backend owns it or there is none)."""
    from mlflow.entities import Param, RunTag

    task = ledger.task()
    tags = {
        "groundtune.stage": name,
        "groundtune.shard": f"{shard[0]}/{shard[1]}",
        "groundtune.version": groundtune.__version__,
        **({"groundtune.task": task} if task else {}),
        **{values.key(f"input.{what}"): values.tag_text(what, digest) for what, digest in inputs.items()},
    }
    # With the plugin all stages of a task log into one run.
    prefix = f"{name}." if task and place.by_plugin else ""
    params = {f"{prefix}{field}": text for field, text in values.params(settings).items()}
    if place.by_plugin:
        run_id, parent_id, resumed = place.plugin_run, "", True
    else:
        experiment = runs.experiment_id(client, place)
        parent = runs.parent_run(client, place, experiment)
        label = name if shard[1] == 1 else f"{name} shard {shard[0]} of {shard[1]}"
        label = f"{task}: {label}" if task else label
        key = digest_of([name, list(shard), params, inputs, *([task] if task else [])])
        found, resumed = runs.stage_run(client, experiment, parent, label, key, tags)
        if parent is not None:
            runs.reopen(client, parent)
        run_id, parent_id = str(found.info.run_id), parent.info.run_id if parent else ""
    # a resumed run, and one that the backend already wrote to, keep the params they have: they cannot change
    present = client.get_run(run_id).data.params if resumed else {}
    listed = [Param(field, text) for field, text in params.items() if field not in present]
    for start in range(0, max(len(listed), 1), _PARAMS_A_CALL):
        chunk = listed[start : start + _PARAMS_A_CALL]
        client.log_batch(run_id, params=chunk, tags=[RunTag(k, v) for k, v in tags.items()])
    left = place.by_plugin and not task and name in places.KFP_METRICS
    return MlflowRun(client, run_id, delivery, resumed=resumed, left_to_backend=left, prefix=prefix), parent_id
