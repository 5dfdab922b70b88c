"""plan_evaluation: all that can be checked in seconds, and the evaluation cut into items for several machines."""

from collections.abc import Mapping
from typing import Any

from groundtune import storage, tracking
from groundtune.benchmarks.judge import check as check_judge
from groundtune.benchmarks.question import PREFERABLE
from groundtune.benchmarks.question_images import check_images, check_share
from groundtune.benchmarks.question_set import QuestionSet, load_questions
from groundtune.benchmarks.results import NO_JUDGE
from groundtune.benchmarks.slices import BASELINE, MODEL, benchmark_of, item_of, slices_of
from groundtune.digests import digest_of
from groundtune.errors import SettingError
from groundtune.progress import say
from groundtune.settings import EvaluationSettings, JudgeSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.checkpoints import check_adapter, check_checkpoint, checkpoint_digest

STAGE = "plan_evaluation"


@noted(STAGE)
@storage.patience(storage.CHECK_PATIENCE)
def run(
    questions_root: str,
    settings: EvaluationSettings | Mapping[str, Any],
    judge: JudgeSettings | Mapping[str, Any] | None,
    *,
    model: str,
    adapter: str = "",
    baseline: str = "",
    baseline_adapter: str = "",
) -> list[str]:
    """The items that one task each answers (slices.item_of), after a check of settings, checkpoints, question files,
    their images, the judge, the state store and MLflow.

    baseline: a second checkpoint to compare with, "" for none. Raises the error of the first thing that is wrong, by
    its name: SettingError, CheckpointError, RecordError (file:line), TooManyRejected (images).
    """
    settings = EvaluationSettings.of(settings, "evaluation")
    judge = JudgeSettings.of(judge, "judge")
    state = storage.state_root()
    if state:
        storage.check_writable(state)
    tracking.check()
    if baseline_adapter and not baseline:
        raise SettingError("baseline", baseline, "the checkpoint that baseline_adapter belongs to")
    contestants = {MODEL: (model, adapter)} | ({BASELINE: (baseline, baseline_adapter)} if baseline else {})
    digests = {name: _digests(*places) for name, places in contestants.items()}
    asked = load_questions(questions_root, settings)
    with asked.image_store(questions_root) as store:
        images, broken = check_images(store, asked.questions)
    check_share(asked.questions, broken, settings.allow_missing, settings.max_rejected_share)
    judged = {name: sorted(benchmark.judged) for name, benchmark in asked.benchmarks.items() if benchmark.judged}
    for name, metrics in judged.items():
        if not judge.base_url:
            say(STAGE, f"{name}: {', '.join(metrics)} will be refused ({NO_JUDGE})")
    preferred = baseline and any(question.kind in PREFERABLE for question in asked.questions)
    if judge.base_url and (judged or preferred):
        check_judge(judge)
    slices = slices_of(asked.questions, settings.questions_per_slice)
    counts = {name: sum(question.benchmark == name for question in asked.questions) for name in asked.benchmarks}
    say(STAGE, ", ".join(f"{name} {count:,} questions" for name, count in counts.items()) + f", {len(images):,} images")
    read = {name: _read_of(name, asked, images) for name in asked.benchmarks}
    return [
        item_of(contestant, name, digest_of([digests[contestant], read[benchmark_of(name)]]))
        for contestant in contestants
        for name in slices
    ]


def _read_of(name: str, asked: QuestionSet, images: Mapping[str, str]) -> list[Any]:
    """All that decides a benchmark's answers beside the model: another benchmark's new image changes nothing here."""
    references = {question.image for question in asked.questions if question.benchmark == name}
    files = [asked.digests.get(key, "") for key in (f"benchmark {name}", "vocabulary")]
    return [files, {image: images.get(image, "") for image in references}, asked.benchmarks[name].identity()]


def _digests(model: str, adapter: str) -> list[str]:
    """Of a checkpoint and its adapter, checked."""
    folder = storage.local_folder(model)
    check_checkpoint(folder)
    if not adapter:
        return [checkpoint_digest(folder)]
    adapted = storage.local_folder(adapter)
    check_adapter(adapted)
    return [checkpoint_digest(folder), checkpoint_digest(adapted)]
