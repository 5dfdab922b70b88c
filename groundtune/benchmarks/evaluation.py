"""evaluate: a model, with or without an adapter, answers the questions of benchmarks and is scored."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import MANIFEST, Artifact, parse_shard, parts_of
from groundtune.benchmarks.answering import answer_part, decoding_text
from groundtune.benchmarks.judge import Judge, load_judge
from groundtune.benchmarks.judging import judged_rows
from groundtune.benchmarks.question_images import check_images, check_share
from groundtune.benchmarks.question_set import QuestionSet, load_questions
from groundtune.benchmarks.results import results_of_artifact, say_results
from groundtune.benchmarks.slices import MODEL, WHOLE, benchmark_of, contestant_and_slice, questions_in
from groundtune.digests import digest_of
from groundtune.images import ATTACHED
from groundtune.progress import Progress, say, shard_label
from groundtune.settings import EvaluationSettings, JudgeSettings
from groundtune.tracking.ledger import noted
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import render

STAGE = "evaluate"


@noted(STAGE)
def run(
    questions_root: str,
    model: str,
    out: str | Path,
    settings: EvaluationSettings | Mapping[str, Any],
    *,
    adapter: str = "",
    judge: JudgeSettings | Mapping[str, Any] | None = None,
) -> Artifact:
    """Answer, judge what needs a judge, score, and write an `answers` artifact whose manifest holds the metrics with
    their intervals.

    questions_root: folder or s3 prefix of the question files (settings.benchmarks) and of the images, whose references
    are relative to it; a bare name "x.jpg" may also lie in "images/x.jpg" or beside its questions. model: checkpoint
    folder or s3 prefix; adapter: PEFT folder or s3 prefix, or "" for the base model. judge: without one, metrics that
    need a judge are refused and the rest goes on. Raises SettingError, RecordError (question files, file:line) and
    TooManyRejected (images) before the model is loaded.
    """
    settings = EvaluationSettings.of(settings, STAGE)
    asked = load_judge(JudgeSettings.of(judge, "judge"))
    with _named_after(adapter):
        return _answer(questions_root, model, out, settings, adapter, asked, {"slice": WHOLE}, results_of_artifact)


def run_slice(
    questions_root: str,
    model: str,
    out: str | Path,
    settings: EvaluationSettings | Mapping[str, Any],
    slice_name: str,
    *,
    adapter: str = "",
    contestant: str = MODEL,
) -> Artifact:
    """The answers to one slice (slices.py), neither judged nor scored: `joining` does that for all slices at once, on a
    machine without a GPU. contestant: whose answers they are, where several models are asked. Arguments and errors as
    in `run`."""
    settings = EvaluationSettings.of(settings, STAGE)
    named = {"slice": slice_name, "contestant": contestant}
    return _answer(questions_root, model, out, settings, adapter, None, named, lambda made, settings: {})


@noted("answer_questions")
def run_item(
    item: str,
    questions_root: str,
    out: str | Path,
    settings: EvaluationSettings | Mapping[str, Any],
    *,
    model: str,
    adapter: str = "",
    baseline: str = "",
    baseline_adapter: str = "",
) -> Artifact:
    """`run_slice` for an item of `planning`: "model pope 0/1 ..." asks the model, "baseline ..." the baseline."""
    contestant, slice_name = contestant_and_slice(item)
    asked = (model, adapter) if contestant == MODEL else (baseline, baseline_adapter)
    return run_slice(questions_root, asked[0], out, settings, slice_name, adapter=asked[1], contestant=contestant)


def _answer(
    root: str,
    model: str,
    out: str | Path,
    settings: EvaluationSettings,
    adapter: str,
    judge: Judge | None,
    named: Mapping[str, str],
    results: Callable[[Artifact, EvaluationSettings], dict[str, Any]],
) -> Artifact:
    slice_name = named["slice"]
    asked = load_questions(root, settings, lambda one: slice_name == WHOLE or one.name == benchmark_of(slice_name))
    questions = questions_in(asked.questions, slice_name, settings.questions_per_slice)
    label = _label(named)
    with asked.image_store(root) as store:
        images, broken = check_images(store, questions)
        # The limit is a benchmark's, not a slice's: planning has looked at the whole, and joining does.
        most = settings.max_rejected_share if slice_name == WHOLE else 1.0
        check_share(questions, broken, settings.allow_missing, most)
        vlm = load_vlm(storage.local_folder(model), adapter=storage.local_folder(adapter) if adapter else None)
        vlm.features = open_features(vlm, settings.feature_cache)
        parents = {"model": vlm.digest, "adapter": vlm.adapter_digest, "images": digest_of(images), **asked.digests}
        # An unfinished evaluation starts again on another device, in another precision, with another parser or judge.
        engine = {"dtype": str(vlm.dtype), "device": vlm.device.type}
        parsers = {name: benchmark.identity() for name, benchmark in asked.benchmarks.items()}
        extra = {**engine, **named, "benchmarks": parsers, "judge": judge.identity if judge else {}}
        with tracking.stage(label, settings=settings.to_mapping(), inputs=parents) as log:
            writer = ArtifactWriter(Path(out), "answers", settings.to_mapping(), parents, extra=extra)
            progress = Progress(label, len(questions), "questions")
            for index, part in parts_of(questions, settings.questions_per_part):
                if writer.has_part(index):
                    progress.skip(len(part))
                    continue
                answered, rejected = answer_part(vlm, part, asked.benchmarks, store, settings)
                rows = judged_rows(answered, images, asked.benchmarks, judge)
                writer.write_part(index, rows, rejected, _attached(asked, {row["image"] for row in rows}))
                progress.add(len(part))
            artifact = writer.finish(
                len(questions),
                max_rejected_share=most,
                results=lambda made: {
                    **results(made, settings),
                    "identity": identity_of(vlm, asked.digests, made, settings) | engine,
                    "questions_per_second": progress.rate,
                    **({"judge": {**judge.served, **judge.usage}} if judge else {}),
                },
            )
            say(label, f"{len(questions):,} questions -> {len(artifact):,} answers")
            say_results(STAGE, artifact)
            log.metrics(artifact.scalars)
            log.output(artifact.digest)
            return artifact


def _named_after(adapter: str) -> AbstractContextManager[Any]:
    """In a comparison many tasks evaluate: each one's note and MLflow run say whose answers they are."""
    file = Path(adapter) / MANIFEST
    about = json.loads(file.read_text())["results"] if adapter and file.is_file() else {}
    if "method" not in about:
        return nullcontext()
    return noted(f"{STAGE} {about['method']} {about['seed']}", fixed=True)


def identity_of(
    vlm: Vlm, digests: Mapping[str, str], answers: Artifact, settings: EvaluationSettings
) -> dict[str, Any]:
    """What a score is worth reporting with. `protocol` must be equal for two evaluations to be compared."""
    rows = list(answers.rows())
    return {
        "model": vlm.digest,
        "adapter": vlm.adapter_digest,
        "prompt_template": render(vlm, "{question}"),
        "protocol": {
            "inputs": dict(digests),
            "images": digest_of({row["image"]: row["image_sha256"] for row in rows}),
            "benchmarks": answers.manifest["extra"]["benchmarks"],
            "decoding": {kind: decoding_text(kind, settings) for kind in sorted({row["kind"] for row in rows})},
            "judge": answers.manifest["extra"]["judge"],
            "yes_no_suffix": settings.yes_no_suffix,
            "limit": settings.limit,
        },
    }


def _label(named: Mapping[str, str]) -> str:
    """What progress lines begin with: slices run side by side, so each says which one it is."""
    if named["slice"] == WHOLE:
        return STAGE
    index, count = parse_shard(named["slice"].rpartition(" ")[2])
    label = shard_label(benchmark_of(named["slice"]), index, count)
    return label if named["contestant"] == MODEL else f"{named['contestant']} {label}"


def _attached(asked: QuestionSet, references: set[str]) -> dict[str, bytes]:
    """The images that came inside question files, of these rows."""
    names = {reference.removeprefix(ATTACHED) for reference in references if reference.startswith(ATTACHED)}
    return {name: asked.attached[name] for name in sorted(names)}
