"""One process of a training on several: torchrun starts it as `-m groundtune.training.worker <path or URI of the job>`.

In a TrainJob its inputs are s3:// URIs: each node fetches its own copies, and rank 0 puts the adapter where the job
wants it.
"""

import os
import sys
import tempfile
from pathlib import Path

from groundtune import storage
from groundtune.settings.parallel import ParallelSettings
from groundtune.training import processes, stage
from groundtune.training.job import JOB, TrainingJob, read_job, write_failure


def run(job: TrainingJob) -> None:
    """Join the other processes and train. Raises SettingError when they are not as many as the job says."""
    parallel = ParallelSettings.from_mapping(job.parallel, "parallel")
    together = processes.join(job.processes, parallel.timeout)
    inputs = [job.prompts, job.pairs, *job.confidence, *job.image_pairs, *job.image_reference]
    if together.local_rank == 0:
        for uri in inputs:
            storage.local_folder(uri)
    together.gather(None)
    here = {uri: storage.local_folder(uri) for uri in inputs}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "adapter" if storage.is_s3(job.out) else Path(job.out)
        made = stage.run(
            here[job.prompts],
            [here[uri] for uri in job.confidence],
            here[job.pairs],
            job.images_root,
            job.model,
            out,
            job.settings,
            adapter=job.adapter,
            image_pairs=[here[uri] for uri in job.image_pairs],
            image_reference=[here[uri] for uri in job.image_reference],
            parallel=parallel,
        )
        if made and storage.is_s3(job.out):
            storage.publish_folder(made.path, job.out)
    processes.leave()


def main(place: str) -> None:
    """Run the job at `place`; what goes wrong is also written beside it, for whoever launched it."""
    try:
        run(read_job(place))
    except BaseException as error:
        write_failure(place.removesuffix(JOB), int(os.environ.get("RANK", "0")), error)
        raise


if __name__ == "__main__":
    main(sys.argv[1])
