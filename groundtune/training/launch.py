"""Training on the GPUs of one machine: in this process, or by torchrun in several."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundtune.errors import SettingError, WorkerError
from groundtune.folder_artifacts import FolderArtifact, read_folder
from groundtune.settings import TrainingSettings
from groundtune.settings.parallel import ParallelSettings
from groundtune.tracking.ledger import noted
from groundtune.training import stage
from groundtune.training.job import TrainingJob, failure_in
from groundtune.training.pair_trainer import STAGE


@noted(STAGE)
def run(
    prompts: str | Path,
    confidence: Sequence[str | Path],
    pairs: str | Path,
    images_root: str,
    model: str,
    out: str | Path,
    settings: TrainingSettings | Mapping[str, Any],
    *,
    adapter: str = "",
    image_pairs: Sequence[str | Path] = (),
    image_reference: Sequence[str | Path] = (),
    parallel: ParallelSettings | Mapping[str, Any] | None = None,
) -> FolderArtifact:
    """stage.run, in as many processes as parallel.processes says (0: one for every visible GPU).

    Raises what the process that failed raised, or WorkerError when one died without a word.
    """
    settings, parallel = TrainingSettings.of(settings, STAGE), ParallelSettings.of(parallel, "parallel")
    if parallel.nodes > 1:
        raise SettingError("nodes", parallel.nodes, "1: see compile --trainer trainjob", "parallel")
    count = parallel.processes or max(1, torch.cuda.device_count())
    if count == 1:
        made = stage.run(
            prompts, confidence, pairs, images_root, model, out, settings,
            adapter=adapter, image_pairs=image_pairs, image_reference=image_reference,
        )  # fmt: skip
        assert made is not None
        return made
    settings.microbatch_of(count)  # refused here rather than in every process
    job = TrainingJob(
        prompts=str(prompts),
        confidence=[str(shard) for shard in confidence],
        pairs=str(pairs),
        images_root=images_root,
        model=model,
        out=str(out),
        settings=settings.to_mapping(),
        processes=count,
        adapter=adapter,
        image_pairs=[str(shard) for shard in image_pairs],
        image_reference=[str(shard) for shard in image_reference],
        parallel=parallel.to_mapping(),
    )
    with tempfile.TemporaryDirectory() as folder:
        _torchrun(job.write(folder), count, folder)
    return read_folder(out, "adapter")


def _torchrun(job: str, count: int, folder: str) -> None:
    """Raises when a process fails: torchrun ends the others as soon as one is gone."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "--max-restarts=0",
        "-m", "groundtune.training.worker", job,
    ]  # fmt: skip
    threads = str(max(1, (os.cpu_count() or 1) // count))  # torchrun's own choice is a single one
    with subprocess.Popen(command, env={"OMP_NUM_THREADS": threads, **os.environ}) as process:
        try:
            code = process.wait()
        except BaseException:  # a cancelled task (`noted` makes SystemExit of SIGTERM): no process goes on without it
            process.terminate()
            raise
    if code:
        raise failure_in(folder) or WorkerError(
            f"training on {count} processes: one of them was ended from outside (torchrun left with {code}; its log "
            "above names the signal); often the memory of the pod or the GPU was not enough"
        )
