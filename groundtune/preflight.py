"""preflight: everything that can be checked in seconds, before GPU hours are spent.

Its digests go into the later stages' parameters, so that a pipeline's cache follows the content of the inputs and not
only their names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from groundtune import storage, tracking
from groundtune.digests import digest_file, digest_folder
from groundtune.errors import SettingError
from groundtune.progress import say
from groundtune.settings import AlignmentScoreSettings, EvaluationSettings
from groundtune.settings.sections import check_settings
from groundtune.vlm.checkpoints import check_checkpoint, checkpoint_digest

STAGE = "preflight"


class Inputs(NamedTuple):
    """What a run reads, by content."""

    prompts_digest: str
    model_digest: str
    benchmarks_digest: str


def run(
    prompts: str,
    model: str,
    scorers: Mapping[str, str],
    benchmarks_root: str,
    settings: Mapping[str, Mapping[str, Any]],
) -> Inputs:
    """Check all settings, the prompt file, the checkpoints, the benchmark files, the state store and MLflow.

    settings: section name -> that stage's settings. Raises the error of the first thing that is wrong, by its name.
    """
    checked = check_settings(settings)
    alignment, evaluation = checked["alignment"], checked["evaluation"]
    assert isinstance(alignment, AlignmentScoreSettings) and isinstance(evaluation, EvaluationSettings)
    state = storage.state_root()
    if state:
        storage.check_writable(state)
    tracking.check()
    prompt_file = storage.local_file(prompts)
    checkpoint = storage.local_folder(model)
    check_checkpoint(checkpoint)
    digests = {"model": checkpoint_digest(checkpoint)}
    for name in alignment.weighted:
        if not scorers.get(name):
            raise SettingError(f"scorers.{name}", scorers.get(name), "a checkpoint folder: its weight is above 0")
        folder = storage.local_folder(scorers[name])
        check_checkpoint(folder)
        digests[f"scorer {name}"] = checkpoint_digest(folder)
    questions = _benchmark_files(benchmarks_root, evaluation)
    say(STAGE, ", ".join(f"{name} {digest[:12]}" for name, digest in digests.items()))
    return Inputs(digest_file(prompt_file), "-".join(digests.values()), questions)


def _benchmark_files(root: str, evaluation: EvaluationSettings) -> str:
    if not evaluation.benchmarks:
        raise SettingError("evaluation.benchmarks", {}, "at least one benchmark: without one nothing is known")
    if not storage.is_s3(root) and not Path(root).is_dir():
        raise SettingError("benchmarks_root", root, "a folder or s3:// prefix")
    files = {f"benchmarks.{name}": file for name, file in evaluation.benchmarks.items()}
    if evaluation.vocabulary:
        files["vocabulary"] = evaluation.vocabulary
    for name, file in files.items():
        if not storage.exists(storage.join(root, file)):
            raise SettingError(f"evaluation.{name}", file, f"a file below {root}")
    return digest_folder(storage.local_folder(root)) if not storage.is_s3(root) else storage.listing_digest(root)
