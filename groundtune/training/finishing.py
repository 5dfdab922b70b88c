"""What every training does around its loop: where its checkpoints lie, and how its adapter becomes an artifact."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from groundtune import storage
from groundtune.folder_artifacts import FolderArtifact, FolderWriter
from groundtune.tracking import StageRun
from groundtune.training.lora import save_adapter
from groundtune.vlm.loader import Vlm


@contextmanager
def checkpoint_folder(state: str) -> Iterator[tuple[Path, str]]:
    """(folder of the checkpoints, s3:// prefix that they are copied to or ""): `state` itself when it is local, else a
    scratch folder while the block runs."""
    if not storage.is_s3(state):
        yield Path(state), ""
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch), state


def finish(
    writer: FolderWriter,
    vlm: Vlm,
    weights: dict[str, torch.Tensor],
    model: str,
    records: list[dict[str, Any]],
    results: Mapping[str, Any],
    log: StageRun,
) -> FolderArtifact:
    """Write the adapter with `training_log.jsonl` and its manifest, and tell MLflow.

    weights: as of `lora_weights`. model: the base model's address, as the user gave it. records: one a step.
    """
    artifact = writer.finish(lambda folder: save_adapter(vlm, weights, folder, model, records), results=dict(results))
    log.series(records)
    log.metrics(artifact.results)
    log.tag("output.digest", artifact.digest)
    log.artifact(artifact.path / "training_log.jsonl")
    return artifact
