"""What one probe does: its questions, captions and pairs, found and checked before any model is loaded."""

from dataclasses import dataclass, field
from pathlib import Path

from groundtune.artifacts import read_artifact
from groundtune.benchmarks.modality_probe.choice import choose_captions, choose_pairs, choose_questions
from groundtune.benchmarks.modality_probe.pairs import ProbedPair, join_pairs
from groundtune.benchmarks.question import Question
from groundtune.benchmarks.question_images import check_images, check_share
from groundtune.digests import digest_of
from groundtune.images import ImageStore
from groundtune.settings import EvaluationSettings, ProbeSettings


@dataclass(frozen=True)
class Work:
    """parents: name -> digest of every input that was read. benchmark_images, pair_images: where their images are."""

    questions: list[Question]
    captions: list[Question]
    pairs: list[ProbedPair]
    benchmark_images: ImageStore
    pair_images: ImageStore
    parents: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.questions) + len(self.captions) + len(self.pairs)


def gather(
    prompts: str | Path,
    pairs: str | Path,
    images_root: str,
    benchmarks_root: str,
    settings: ProbeSettings,
    evaluation: EvaluationSettings,
) -> Work:
    """Read what the settings ask for and nothing else: a part whose count is 0 needs no input.

    Raises RecordError (question files, file:line), TooManyRejected (too many questions without a usable image) and
    ArtifactError.
    """
    questions: list[Question] = []
    captions: list[Question] = []
    parents: dict[str, str] = {}
    if settings.questions:
        questions, digests = choose_questions(benchmarks_root, evaluation, settings.questions, settings.seed)
        parents |= digests
    if settings.captions:
        captions, digests = choose_captions(benchmarks_root, evaluation, settings.captions, settings.seed)
        parents |= digests
    store = ImageStore(benchmarks_root)
    if questions or captions:
        images, broken = check_images(store, [*questions, *captions])
        check_share([*questions, *captions], broken, evaluation.allow_missing, evaluation.max_rejected_share)
        parents["benchmark images"] = digest_of(images)
    if not settings.pairs:
        return Work(questions, captions, [], store, ImageStore(images_root), parents)
    source, preferences = read_artifact(prompts, "prompts"), read_artifact(pairs, "pairs")
    parents |= {"prompts": source.digest, "pairs": preferences.digest}
    chosen = join_pairs(choose_pairs(preferences, settings.pairs, settings.seed), source)
    return Work(questions, captions, chosen, store, ImageStore(images_root, attached=source.files), parents)
