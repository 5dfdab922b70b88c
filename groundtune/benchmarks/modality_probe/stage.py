"""probe_modality: how much of what a model says depends on the image? Run before and after training (MFPO)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, Row, parts_of
from groundtune.benchmarks.answering import instruction_of
from groundtune.benchmarks.modality_probe.asking import Probed
from groundtune.benchmarks.modality_probe.captions import describe_images
from groundtune.benchmarks.modality_probe.locating import Locator
from groundtune.benchmarks.modality_probe.pairs import weigh_pairs
from groundtune.benchmarks.modality_probe.questions import ask_questions
from groundtune.benchmarks.modality_probe.results import results_of
from groundtune.benchmarks.modality_probe.work import Work, gather
from groundtune.benchmarks.question import Question
from groundtune.errors import CheckpointError
from groundtune.progress import Progress, say
from groundtune.settings import EvaluationSettings, ImagePreferenceSettings, ProbeSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import render
from groundtune.vlm.yes_no import YesNoTokens, yes_no_tokens

STAGE = "probe_modality"
ASKED_ALIKE = ("benchmarks", "vocabulary", "yes_no_suffix", "max_yes_no_tokens")  # of evaluation's settings
Measure = Callable[[Probed, list[Any]], tuple[list[Row], list[Row]]]


@noted(STAGE)
def run(
    prompts: str | Path,
    pairs: str | Path,
    images_root: str,
    benchmarks_root: str,
    model: str,
    region_models: Mapping[str, str],
    out: str | Path,
    settings: ProbeSettings | Mapping[str, Any],
    evaluation: EvaluationSettings | Mapping[str, Any],
    image_preference: ImagePreferenceSettings | Mapping[str, Any],
    *,
    scorers: Mapping[str, str] | None = None,
    adapter: str = "",
) -> Artifact:
    """A row a question, caption or pair, asked under the true image and under what is left of it; figures with 95 %
    intervals in the manifest.

    benchmarks_root: as for evaluate; evaluation.limit does not count here. region_models, scorers: as
    for prefer_images. adapter: PEFT folder, "" for the base model. Raises what evaluate raises for wrong question files
    and images before the model is loaded. With nothing to ask there are no rows and no model is loaded.
    """
    settings = ProbeSettings.of(settings, STAGE)
    evaluation = EvaluationSettings.of(evaluation, "evaluation")
    image_preference = ImagePreferenceSettings.of(image_preference, "image_preference")
    told = {
        "probe": settings.to_mapping(),
        "evaluation": {name: value for name, value in evaluation.to_mapping().items() if name in ASKED_ALIKE},
        "image_preference": image_preference.to_mapping(),
    }
    work = gather(prompts, pairs, images_root, benchmarks_root, settings, evaluation)
    parents, extra, probed = dict(work.parents), {}, None
    if len(work):
        finders = image_preference.checkpoints(region_models, scorers)
        locator = Locator.load(finders, image_preference) if work.questions or work.captions else None
        vlm = load_vlm(storage.local_folder(model), adapter=storage.local_folder(adapter) if adapter else None)
        parents |= {"model": vlm.digest, "adapter": vlm.adapter_digest}
        # An unfinished probe starts again on another device or in another precision: no mixed answers.
        extra = {"dtype": str(vlm.dtype), "device": vlm.device.type}
        if locator is not None:
            parents[f"finder.{locator.finder.name}"] = locator.finder.digest
            extra |= {"tagger": locator.tagger.name, "finder": locator.finder.name}
        yes_no = _yes_no(vlm, work.questions, evaluation)
        probed = Probed(vlm, settings, evaluation, work.benchmark_images, work.pair_images, locator, yes_no)
    with tracking.stage(STAGE, settings=told, inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "probe", told, parents, extra=extra)
        progress = Progress(STAGE, len(work), "questions, captions and pairs")
        for index, (measure, part) in enumerate(_plan(work, settings)):
            if writer.has_part(index) or probed is None:
                progress.skip(len(part))
                continue
            with torch.inference_mode():
                writer.write_part(index, *measure(probed, part))
            progress.add(len(part))
        artifact = writer.finish(
            len(work),
            max_rejected_share=evaluation.max_rejected_share,
            results=lambda made: {**results_of(list(made.rows()), settings), "rows_per_second": progress.rate},
        )
        _say_results(artifact)
        log.metrics(artifact.scalars)
        log.output(artifact.digest)
        return artifact


def _plan(work: Work, settings: ProbeSettings) -> list[tuple[Measure, list[Any]]]:
    """The parts, the same at every start: each is asked together."""
    whole: list[tuple[Measure, list[Any]]] = [
        (ask_questions, work.questions),
        (describe_images, work.captions),
        (weigh_pairs, work.pairs),
    ]
    return [(measure, part) for measure, items in whole for _, part in parts_of(items, settings.questions_per_batch)]


def _yes_no(vlm: Vlm, questions: Sequence[Question], evaluation: EvaluationSettings) -> YesNoTokens | None:
    """None when there is no question, or the tokenizer does not tell yes from no: P(yes) is left out then, and a note
    says so."""
    if not questions:
        return None
    try:
        return yes_no_tokens(vlm, render(vlm, instruction_of(questions[0], evaluation)))
    except CheckpointError as error:
        say(STAGE, f"P(yes) is left out: {error}")
        return None


def _say_results(artifact: Artifact) -> None:
    results = artifact.results
    say(STAGE, f"{artifact.manifest['rows_in']:,} questions, captions and pairs -> {len(artifact):,} rows")
    for section, name, words in (
        ("question", "changed_destroyed", "of the answers change when the image is destroyed"),
        ("question", "changed_region", "change when only what is asked about is destroyed"),
        ("caption", "changed_destroyed", "of the captions change when the image is destroyed"),
    ):
        figure = results.get(section, {}).get(name)
        if figure:
            say(STAGE, f"{figure['value']:.1%} [{figure['low']:.1%}, {figure['high']:.1%}] {words}")
    for note in results["notes"]:
        say(STAGE, f"note: {note}")
