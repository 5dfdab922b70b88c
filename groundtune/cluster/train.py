"""train_dpo over several nodes: submit a TrainJob, follow it, fetch the adapter that its first process left.

The job's name follows from the run and from everything that determines the result, so a task that is retried finds the
job that goes on, and one that was cancelled ends it.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune import storage
from groundtune.artifact_writing import building_folder, drop_state
from groundtune.artifacts import MANIFEST
from groundtune.cluster.api import STAGE, Cluster
from groundtune.cluster.environment import run_id
from groundtune.cluster.manifest import Pods, train_job
from groundtune.digests import digest_of
from groundtune.errors import SettingError, WorkerError
from groundtune.folder_artifacts import FolderArtifact, read_folder
from groundtune.progress import say
from groundtune.settings import TrainingSettings
from groundtune.settings.parallel import ParallelSettings
from groundtune.tracking import ledger
from groundtune.tracking.ledger import noted
from groundtune.training.job import TrainingJob, failure_in

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"  # types of a TrainJob's conditions


@noted(STAGE)
def run(
    prompts: str,
    confidence: Sequence[str],
    pairs: str,
    images_root: str,
    model: str,
    out: str | Path,
    settings: TrainingSettings | Mapping[str, Any],
    pods: Pods,
    *,
    adapter: str = "",
    image_pairs: Sequence[str] = (),
    image_reference: Sequence[str] = (),
    parallel: ParallelSettings | Mapping[str, Any] | None = None,
) -> FolderArtifact:
    """Inputs are s3:// URIs, since pods on other nodes read them; `out` is a local path.

    Raises SettingError for what cannot be reached from other nodes, what a worker raised, or WorkerError with the last
    words of the pods.
    """
    settings, parallel = TrainingSettings.of(settings, STAGE), ParallelSettings.of(parallel, "parallel")
    processes = parallel.nodes * pods.processes(parallel)
    settings.microbatch_of(processes)  # refused here rather than on the GPUs
    arguments = {
        "prompts": prompts,
        "confidence": list(confidence),
        "pairs": pairs,
        "images_root": images_root,
        "model": model,
        **({"adapter": adapter} if adapter else {}),
        "image_pairs": list(image_pairs),
        "image_reference": list(image_reference),
    }
    _check_reachable(arguments)
    name = f"groundtune-{digest_of([run_id(), arguments, settings.to_mapping(), processes])[:20]}"
    folder = storage.join(storage.state_root(), f"trainjob-{name}")
    ledger.opened(folder)
    training = TrainingJob(
        **arguments,  # type: ignore[arg-type]
        out=storage.join(folder, "adapter"),
        settings=settings.to_mapping(),
        processes=processes,
        parallel=parallel.to_mapping(),
    )
    cluster = Cluster(parallel.patience)
    if storage.exists(storage.join(training.out, MANIFEST)):
        say(STAGE, f"{name}: an earlier attempt of this task trained to the end")
    else:
        body = train_job(name, training.write(folder), cluster.own_image(), pods, parallel)
        try:
            _submit(cluster, name, body, folder, parallel.poll)
            _follow(cluster, name, folder, parallel.poll)
        except (KeyboardInterrupt, SystemExit):  # SystemExit: what `noted` makes of SIGTERM
            say(STAGE, f"cancelled: {name} is deleted")
            cluster.delete(name)
            raise
    with building_folder(Path(out)) as building:
        for file in storage.list_files(training.out):
            storage.fetch_file(storage.join(training.out, file), building / file)
    made = read_folder(out, "adapter")
    cluster.delete(name)
    drop_state(folder)
    return made


def end_jobs(patience: float = 60.0) -> list[str]:
    """Delete the TrainJobs that this pipeline run left behind: a task whose pod was killed could not. Returns their
    names. patience: seconds that the API is asked."""
    cluster = Cluster(patience)
    names = cluster.names_of_run()
    for name in names:
        cluster.delete(name)
    return names


def _check_reachable(arguments: Mapping[str, Any]) -> None:
    if not storage.is_s3(storage.state_root()):
        raise SettingError("GROUNDTUNE_STATE", storage.state_root(), "an s3:// prefix: several nodes train together")
    for name, value in arguments.items():
        for uri in [value] if isinstance(value, str) else value:
            if not storage.is_s3(uri):
                raise SettingError(name, uri, "an s3:// URI: the pods of a TrainJob see no disk of another pod")


def _submit(cluster: Cluster, name: str, body: dict[str, Any], folder: str, poll: float) -> None:
    """Create the job, or find the one that an earlier attempt of this task left behind; a failed one makes room."""
    if cluster.get(name) is None:
        _forget_failures(folder)
    if cluster.create(body):
        say(STAGE, f"{name}: {body['spec']['trainer']['numNodes']} nodes asked for")
        return
    found = cluster.get(name)
    if found is None or not _condition(found, FAILED):
        say(STAGE, f"{name}: an earlier attempt left it running, this one follows it")
        return
    say(STAGE, f"{name}: failed before; it is started again, and goes on from its last checkpoint")
    cluster.delete(name)
    while cluster.get(name) is not None:
        time.sleep(poll)
    _forget_failures(folder)
    cluster.create(body)


def _forget_failures(folder: str) -> None:
    """What processes of an earlier attempt died of says nothing of the next one."""
    for file in storage.list_files(folder):
        if file.startswith("failed-"):
            storage.remove(storage.join(folder, file))


def _follow(cluster: Cluster, name: str, folder: str, poll: float) -> None:
    """Return when the job is complete. Raises what a worker left word of, else WorkerError."""
    said = ""
    while True:
        found = cluster.get(name)
        if found is None:
            raise WorkerError(f"{name}: the TrainJob was deleted by somebody else; start the task again")
        if _condition(found, COMPLETE):
            say(STAGE, f"{name}: complete")
            return
        failed = _condition(found, FAILED)
        if failed:
            reason = f"{failed.get('reason', '')}: {failed.get('message', '')}"
            words = f"the TrainJob failed ({reason}). Its pods' last words:\n{cluster.last_words(name)}"
            say(STAGE, f"{name}: {words}")
            raise failure_in(folder) or WorkerError(f"{name}: {words}")
        state = _state(found)
        if state != said:
            say(STAGE, f"{name}: {state}")
            said = state
        time.sleep(poll)


def _condition(job: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The condition of that type, when it holds."""
    conditions = job.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind and one["status"] == "True"), None)


def _state(job: Mapping[str, Any]) -> str:
    suspended = _condition(job, SUSPENDED)
    if suspended:
        return f"waits to be admitted ({suspended.get('message') or suspended.get('reason', '')})"
    counts = job.get("status", {}).get("jobsStatus", [])
    if any(one.get("ready") for one in counts):
        return "trains"
    return "its pods start" if any(one.get("active") for one in counts) else "waits for its pods"
