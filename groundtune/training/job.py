"""One training as a file: what a launcher writes and every process of torchrun reads, on this machine or in a pod.

Everything in it is a path or an s3:// URI, a name or a number; the environment brings endpoints and credentials.
"""

import json
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import groundtune.errors
from groundtune import storage
from groundtune.errors import GroundtuneError, WorkerError
from groundtune.tracking import scrub

JOB, FAILED = "job.json", "failed-"


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of stage.run, and how many processes must meet. parallel: a mapping of ParallelSettings."""

    prompts: str
    confidence: list[str]
    pairs: str
    images_root: str
    model: str
    out: str
    settings: dict[str, Any]
    processes: int
    adapter: str = ""
    image_pairs: list[str] = field(default_factory=list)
    image_reference: list[str] = field(default_factory=list)
    parallel: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: str) -> str:
        """Put the job into a folder or under an s3:// prefix; returns its address."""
        place = storage.join(folder, JOB)
        write_json(asdict(self), place)
        return place


def read_job(place: str) -> TrainingJob:
    """The job that `write` put at this path or s3:// URI."""
    return TrainingJob(**json.loads(storage.read_bytes(place)))


def write_failure(folder: str, rank: int, error: BaseException) -> None:
    """Leave word of what ended this process beside the job; without what looks like a secret of its environment."""
    known = isinstance(error, GroundtuneError)
    content = {
        "rank": rank,
        "error": type(error).__name__ if known else "",
        "message": scrub(str(error) if known else "".join(traceback.format_exception_only(error)).strip()),
        "fields": {
            name: scrub(value) if isinstance(value, str) else value
            for name, value in vars(error).items()
            if isinstance(value, (str, int, float))
        },
    }
    write_json(content, storage.join(folder, f"{FAILED}{rank}.json"))


def failure_in(folder: str) -> GroundtuneError | None:
    """What ended a process, as the error that it raised: a setting or a record that it names comes before anything
    else, since the other processes only fell over it. None when no process left word."""
    names = [name for name in storage.list_files(folder) if name.startswith(FAILED)]
    found = [json.loads(storage.read_bytes(storage.join(folder, name))) for name in names]
    if not found:
        return None
    first = min(found, key=lambda one: (not one["error"], one["rank"]))
    kind = getattr(groundtune.errors, first["error"], None)
    if kind is None:
        return WorkerError(
            f"process {first['rank']} of the training failed: {first['message']} (when another process died, which its "
            "log or the pod's says, this is only what the rest saw of it)"
        )
    error: GroundtuneError = kind.__new__(kind, first["message"])
    vars(error).update(first["fields"])
    return error


def write_json(content: Any, place: str) -> None:
    """To a path or s3:// URI."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "content.json"
        file.write_text(json.dumps(content, indent=1))
        storage.publish_file(file, place)
