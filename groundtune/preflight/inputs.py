"""The inputs of a run: settings, data, models, judge, storage and MLflow.

Its digests go into the later stages' parameters, so that a pipeline's cache follows the content of the inputs and not
only their names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from groundtune import storage, tracking
from groundtune.benchmarks.judge import check as check_judge
from groundtune.benchmarks.registry import benchmark_named
from groundtune.digests import digest_file, digest_folder
from groundtune.errors import CheckpointError, RecordError, SettingError
from groundtune.preferences.image_preference.keywords.taggers import load_tagger
from groundtune.progress import say
from groundtune.prompts.formats import read_rows
from groundtune.settings import (
    AlignmentScoreSettings,
    EvaluationSettings,
    ImagePreferenceSettings,
    JudgeSettings,
    ProbeSettings,
    SamplingSettings,
    SelectionSettings,
    TrainingSettings,
)
from groundtune.settings.parallel import ParallelSettings
from groundtune.settings.sections import check_settings
from groundtune.tracking.ledger import noted
from groundtune.training.lora_form import check_form, read_form
from groundtune.vlm.checkpoints import check_checkpoint, checkpoint_digest
from groundtune.vlm.loader import load_processor
from groundtune.vlm.prompt import placeholder_check

STAGE = "preflight"
PROBED = ((480, 640), (640, 480), (336, 336))  # (height, width) of images that the processor is tried on


class Inputs(NamedTuple):
    """What a run reads, by content."""

    prompts_digest: str
    model_digest: str
    region_models_digest: str
    benchmarks_digest: str


@noted(STAGE)
@storage.patience(storage.CHECK_PATIENCE)
def run(
    prompts: str,
    model: str,
    scorers: Mapping[str, str],
    region_models: Mapping[str, str],
    benchmarks_root: str,
    settings: Mapping[str, Mapping[str, Any]],
    *,
    image_preferences: bool = False,
    images_root: str = "",
    training_gpus: str = "0",
    over_nodes: bool = False,
    register: bool = False,
    champion_base: str = "",
    policy_adapter: str = "",
) -> Inputs:
    """Check all settings, the prompt file, the checkpoints, the benchmark files, the state store and MLflow.

    settings: section name -> that stage's settings. image_preferences: whether the run trains on corrupted images.
    register: whether the adapter is to enter the registry. champion_base: digest of the checkpoint that the champion
    belongs to, "" for no champion. policy_adapter: that training goes on with, "" for a new one. training_gpus: of the
    task that trains, or of each of its pods when the pipeline trains over_nodes.
    Raises the error of the first thing that is wrong, by its name.
    """
    checked = check_settings(settings)
    alignment, evaluation, selection = checked["alignment"], checked["evaluation"], checked["selection"]
    image_preference, probe, sampling = checked["image_preference"], checked["probe"], checked["sampling"]
    assert isinstance(alignment, AlignmentScoreSettings) and isinstance(evaluation, EvaluationSettings)
    assert isinstance(image_preference, ImagePreferenceSettings) and isinstance(selection, SelectionSettings)
    assert isinstance(probe, ProbeSettings) and isinstance(sampling, SamplingSettings)
    judge = checked["judge"]
    assert isinstance(judge, JudgeSettings)
    _check_pool_size(sampling, selection)
    training, parallel = checked["training"], checked["parallel"]
    assert isinstance(training, TrainingSettings) and isinstance(parallel, ParallelSettings)
    check_parallel(training, parallel, training_gpus, over_nodes)
    if policy_adapter:
        check_form(read_form(storage.local_folder(policy_adapter)), training)
    if over_nodes:
        check_seen_by_all({"model": model, "images_root": images_root, "GROUNDTUNE_STATE": storage.state_root()})
    state = storage.state_root()
    if state:
        storage.check_writable(state)
    tracking.check()
    if register and not tracking.enabled():
        raise SettingError("register", register, "false: without MLFLOW_TRACKING_URI there is no registry to enter")
    questions = _benchmark_files(benchmarks_root, evaluation)
    if any(benchmark_named(name).judged for name in evaluation.benchmarks) and judge.base_url:
        check_judge(judge)
    prompt_file = storage.local_file(prompts)
    if selection.source == "given":
        _check_preferences(prompt_file)
    checkpoint = storage.local_folder(model)
    _check_placeholders(checkpoint)
    digests = {"model": checkpoint_digest(checkpoint)}
    if champion_base not in ("", digests["model"]):
        expected = f"the checkpoint that the champion belongs to ({champion_base[:12]}); or another registry.model_name"
        raise SettingError("model", f"{model} ({digests['model'][:12]})", expected)
    for name in alignment.weighted:
        digests[f"scorer {name}"] = _checkpoint(f"scorers.{name}", scorers.get(name), "its weight is above 0")
    regions = {}
    if image_preferences or probe.questions or probe.captions:
        load_tagger(image_preference)
        for name, place in image_preference.checkpoints(region_models, scorers).items():
            why = f"image_preference.finder is {image_preference.finder}"
            regions[name] = _checkpoint(f"region_models.{name}", place, why)
    say(STAGE, ", ".join(f"{name} {digest[:12]}" for name, digest in (digests | regions).items()))
    return Inputs(digest_file(prompt_file), "-".join(digests.values()), "-".join(regions.values()), questions)


def _check_pool_size(sampling: SamplingSettings, selection: SelectionSettings) -> None:
    """What would only fail after sampling and scoring."""
    if sampling.num_candidates >= 2:
        return
    if selection.source != "given":
        expected = f"at least 2: selection.source {selection.source} takes pairs of sampled answers"
        raise SettingError("num_candidates", sampling.num_candidates, expected, "sampling")
    if selection.curriculum_stages > 1:
        expected = "at least 2: selection.curriculum_stages needs the entropy of sampled answers; or set that to 1"
        raise SettingError("num_candidates", sampling.num_candidates, expected, "sampling")


def check_parallel(training: TrainingSettings, parallel: ParallelSettings, gpus: str, over_nodes: bool) -> None:
    """What would only fail when training begins."""
    if not gpus.isdigit():
        raise SettingError("training_gpus", gpus, "a whole number, 0 for a run without GPUs")
    if parallel.nodes > 1 and not over_nodes:
        raise SettingError("nodes", parallel.nodes, "1: this package trains in one pod (compile --trainer)", "parallel")
    training.microbatch_of(parallel.nodes * (parallel.processes or max(1, int(gpus))))


def check_seen_by_all(places: Mapping[str, str]) -> None:
    """Raises SettingError for a place that is no s3:// prefix."""
    for name, place in places.items():
        if not storage.is_s3(place):
            raise SettingError(name, place, "an s3:// prefix: the nodes of a training see no disk of another")


def _check_placeholders(checkpoint: Path) -> None:
    """An image, wide or tall, gets as many placeholders in a prompt as the model makes embeddings of it."""
    reader = load_processor(checkpoint)
    for height, width in PROBED:
        try:
            placeholder_check(reader, f"an image of {width}x{height}", "Describe this image.", (height, width))
        except RecordError as error:
            raise CheckpointError(f"{checkpoint}: {error.problem}") from error


def _checkpoint(setting: str, place: str | None, why: str) -> str:
    """The digest of a checkpoint that can be loaded safely."""
    if not place:
        raise SettingError(setting, place, f"a checkpoint folder: {why}")
    folder = storage.local_folder(place)
    check_checkpoint(folder)
    return checkpoint_digest(folder)


def _check_preferences(prompts: Path) -> None:
    """Raises SettingError when pairs are to come from the prompt file, and no row brings one."""
    if not any(row.fields.get("chosen") for row in read_rows(prompts)):
        expected = f"m3p: no row of {prompts.name} has a `chosen` and a `rejected` answer"
        raise SettingError("selection.source", "given", expected)


def _benchmark_files(root: str, evaluation: EvaluationSettings) -> str:
    if not evaluation.benchmarks:
        raise SettingError("evaluation.benchmarks", {}, "at least one benchmark: without one nothing is known")
    if not storage.is_s3(root) and not Path(root).is_dir():
        raise SettingError("benchmarks_root", root, "a folder or s3:// prefix")
    files = {f"benchmarks.{name}": file for name, file in evaluation.benchmarks.items()}
    if evaluation.vocabulary:
        files["vocabulary"] = evaluation.vocabulary
    for name, file in files.items():
        place = storage.join(root, file)
        if not storage.exists(place) and not storage.list_files(place):
            raise SettingError(f"evaluation.{name}", file, f"a file or a folder below {root}")
    return digest_folder(storage.local_folder(root)) if not storage.is_s3(root) else storage.listing_digest(root)
