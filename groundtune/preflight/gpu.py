"""check_gpu: are the GPUs there that a run was given, and do its budgets fit them? Runs on the GPU pool itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from groundtune import storage
from groundtune.errors import SettingError
from groundtune.progress import say
from groundtune.settings import (
    AlignmentScoreSettings,
    ConfidenceSettings,
    EvaluationSettings,
    RewardSettings,
    RlhfSettings,
    SamplingSettings,
    TrainingSettings,
)
from groundtune.tracking.ledger import noted
from groundtune.vlm.memory import (
    GIB,
    ModelShape,
    budgets,
    online_bytes,
    sampling_bytes,
    scoring_bytes,
    shape_of,
    training_bytes,
    weights_of,
)

STAGE = "check_gpu"


class Need(NamedTuple):
    """What one setting asks of a GPU: its value, the estimated bytes, and which method of a comparison has it, with
    which LoRA."""

    setting: str
    value: object
    memory: int
    where: str = ""
    lora_rank: int = 0


@noted(STAGE)
@storage.patience(storage.CHECK_PATIENCE)
def run(
    model: str,
    count: str,
    training_gpus: str,
    scorers: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    image_preferences: bool = False,
    methods: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Compare the visible GPUs with what was asked for and with what each stage is estimated to need.

    count: GPUs of a task, "0" for a run without; training_gpus: of the task that trains. settings: section name -> that
    stage's settings; an empty section's stage does not run. methods: of a comparison, as `planning.plan` completes
    them. Raises SettingError that names the setting and, where there is one, a value that fits.
    """
    for name, given in (("accelerator_count", count), ("training_gpus", training_gpus)):
        if not given.isdigit():
            raise SettingError(name, given, "a whole number, 0 for a run without GPUs")
    if int(count) == 0:
        if int(training_gpus):
            raise SettingError("training_gpus", training_gpus, "0, as accelerator_count: the run has no GPUs")
        say(STAGE, "no GPU asked for; tasks take what their machine has")
        return
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there < int(count):
        found = f"{there} usable GPUs" if there else "no usable GPU"
        raise SettingError(
            "accelerator_count", count, f"at most what the node offers, but {found} here (driver, image variant, pool)"
        )
    memory = min(torch.cuda.get_device_properties(number).total_memory for number in range(int(count)))
    shape = shape_of(model)
    needs = check_budgets(shape, memory, settings, scorers, image_preferences=image_preferences, methods=methods)
    name = torch.cuda.get_device_properties(0).name
    most = max((need.memory for need in needs), default=shape.weights)
    say(STAGE, f"{count} x {name}, {memory / GIB:.0f} GiB; the largest stage is estimated to need {most / GIB:.0f} GiB")


def check_budgets(
    shape: ModelShape,
    memory: int,
    settings: Mapping[str, Mapping[str, Any]],
    scorers: Mapping[str, str],
    *,
    image_preferences: bool,
    methods: Sequence[Mapping[str, Any]] = (),
) -> list[Need]:
    """memory: of one GPU, bytes. Raises SettingError for the first setting that does not fit."""
    beside = list(_scorers(settings, scorers))
    needs = [*_needs(shape, settings, image_preferences), *beside]
    for method in methods:
        needs += _of_method(shape, method, max((need.memory for need in beside), default=0))
    for need in needs:
        if need.memory > memory:
            estimate = f"estimated {need.memory / GIB:.0f} GiB, the GPU has {memory / GIB:.0f} GiB; see gpu_profile"
            advice = f"{_advice(need, shape, memory)} ({estimate})"
            raise SettingError(need.setting, need.value, advice, need.where)
    return needs


def _advice(need: Need, shape: ModelShape, memory: int) -> str:
    section, _, name = need.setting.partition(".")
    fitting = budgets(shape, memory, lora_rank=need.lora_rank or TrainingSettings().lora_rank).get(section, {})
    if name not in fitting:
        return "a smaller model, or a GPU with more memory"
    words = f"at most {fitting[name]}"
    return f"{words} with training.gradient_checkpointing true" if fitting.get("gradient_checkpointing") else words


def _needs(shape: ModelShape, settings: Mapping[str, Mapping[str, Any]], images: bool) -> Iterator[Need]:
    if settings.get("sampling"):
        sampling = SamplingSettings.of(settings["sampling"], "sampling")
        if sampling.engine == "transformers":  # vllm takes the share of the GPU that gpu_memory_utilization gives it
            tokens = sampling.cache_tokens
            yield Need("sampling.cache_tokens", tokens, sampling_bytes(shape, tokens))
    if settings.get("confidence"):
        budget = ConfidenceSettings.of(settings["confidence"], "confidence").token_budget
        yield Need("confidence.token_budget", budget, scoring_bytes(shape, budget))
    if settings.get("evaluation"):
        tokens = EvaluationSettings.of(settings["evaluation"], "evaluation").cache_tokens
        yield Need("evaluation.cache_tokens", tokens, sampling_bytes(shape, tokens))
    if settings.get("training"):
        yield _training(shape, TrainingSettings.of(settings["training"], "training"), images)


def _training(shape: ModelShape, training: TrainingSettings, images: bool, where: str = "") -> Need:
    pairs, checkpointing = training.pairs_per_microbatch, training.gradient_checkpointing
    need = training_bytes(shape, pairs, training.lora_rank, checkpointing=checkpointing, images=images)
    return Need("training.pairs_per_microbatch", pairs, need, where, training.lora_rank)


def _of_method(shape: ModelShape, method: Mapping[str, Any], scorers: int) -> Iterator[Need]:
    """scorers: bytes of those that stand beside the model while answers are rewarded."""
    where = f"method {method['name']}"
    training = TrainingSettings.of(method["training"], where)
    if method.get("rlhf"):
        answers = RlhfSettings.of(method["rlhf"], where).answers_per_microbatch
        need = online_bytes(shape, answers, training.lora_rank, checkpointing=training.gradient_checkpointing) + scorers
        yield Need("rlhf.answers_per_microbatch", answers, need, where, training.lora_rank)
    else:
        yield _training(shape, training, method["image_preferences"], where)
    if method.get("reward"):
        budget = RewardSettings.of(method["reward"], where).token_budget
        yield Need("reward.token_budget", budget, scoring_bytes(shape, budget), where, training.lora_rank)


def _scorers(settings: Mapping[str, Mapping[str, Any]], scorers: Mapping[str, str]) -> Iterator[Need]:
    """All weighted scorers are loaded together; the last one named is the one that is too much."""
    together = 0
    if settings.get("alignment"):
        for name in AlignmentScoreSettings.of(settings["alignment"], "alignment").weighted:
            together += weights_of(scorers[name])
            yield Need(f"scorers.{name}", scorers[name], together)
