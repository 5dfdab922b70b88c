"""evaluate: a model, with or without an adapter, answers the questions of benchmarks and is scored."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import storage, tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, parts_of
from groundtune.benchmarks.answering import answer_part, decoding_of
from groundtune.benchmarks.question import Benchmark, Question
from groundtune.benchmarks.question_images import check_images, check_share, resolve_images
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import answers_by_benchmark, resampling_of, results_of
from groundtune.digests import digest_of
from groundtune.errors import SettingError
from groundtune.images import ImageStore
from groundtune.progress import Progress, say
from groundtune.settings import EvaluationSettings
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import render

STAGE = "evaluate"


def run(
    questions_root: str,
    model: str,
    out: str | Path,
    settings: EvaluationSettings | Mapping[str, Any],
    *,
    adapter: str = "",
) -> Artifact:
    """Answer, score, and write an `answers` artifact whose manifest holds the metrics with their intervals.

    questions_root: folder or s3 prefix of the question files (settings.benchmarks) and of the images, whose
    references are relative to it; a bare name "x.jpg" may also lie in "images/x.jpg". model: checkpoint
    folder or s3 prefix; adapter: PEFT folder, or "" for the base model. Questions whose image is missing or
    unreadable are rejected. Raises SettingError, RecordError (question files, file:line) and TooManyRejected
    before the model is loaded.
    """
    settings = EvaluationSettings.of(settings, STAGE)
    benchmarks, files = _benchmarks(questions_root, settings)
    questions = _questions(questions_root, benchmarks, settings)
    store = ImageStore(questions_root)
    images, broken = check_images(store, questions)
    check_share(questions, broken, settings.max_rejected_share)
    vlm = load_vlm(storage.local_folder(model), adapter=storage.local_folder(adapter) if adapter else None)
    parents = {"model": vlm.digest, "adapter": vlm.adapter_digest, "images": digest_of(images), **files}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        # An unfinished evaluation starts again on another device or in another precision: no mixed answers.
        engine = {"dtype": str(vlm.dtype), "device": vlm.device.type}
        writer = ArtifactWriter(Path(out), "answers", settings.to_mapping(), parents, extra=engine)
        progress = Progress(STAGE, len(questions), "questions")
        for index, part in parts_of(questions, settings.questions_per_part):
            if writer.has_part(index):
                progress.skip(len(part))
                continue
            writer.write_part(index, *answer_part(vlm, part, benchmarks, store, settings))
            progress.add(len(part))
        artifact = writer.finish(
            len(questions),
            max_rejected_share=settings.max_rejected_share,
            results=lambda made: {
                **results_of(answers_by_benchmark(made.rows()), resampling_of(settings)),
                "identity": identity_of(vlm, benchmarks, parents, settings) | engine,
                "questions_per_second": progress.rate,
            },
        )
        _say_results(artifact, benchmarks)
        log.metrics(artifact.scalars)
        log.output(artifact.digest)
        return artifact


def identity_of(
    vlm: Vlm, benchmarks: Mapping[str, Benchmark], parents: Mapping[str, str], settings: EvaluationSettings
) -> dict[str, Any]:
    """What a score is worth reporting with. `protocol` must be equal for two evaluations to be compared."""
    return {
        "model": parents["model"],
        "adapter": parents["adapter"],
        "prompt_template": render(vlm, "{question}"),
        "protocol": {
            "inputs": {name: digest for name, digest in parents.items() if name not in ("model", "adapter")},
            "benchmarks": {name: benchmark.identity() for name, benchmark in benchmarks.items()},
            "decoding": {
                kind: f"greedy, at most {decoding_of(kind, settings).max_new_tokens} tokens"
                for kind in sorted({benchmark.kind for benchmark in benchmarks.values()})
            },
            "yes_no_suffix": settings.yes_no_suffix,
            "limit": settings.limit,
        },
    }


def _benchmarks(root: str, settings: EvaluationSettings) -> tuple[dict[str, Benchmark], dict[str, str]]:
    """(name -> benchmark, "benchmark <name>" or "vocabulary" -> digest of its file)."""
    if not settings.benchmarks:
        raise SettingError("benchmarks", {}, "at least one benchmark and its question file")
    vocabulary = storage.join(root, settings.vocabulary) if settings.vocabulary else ""
    benchmarks = {name: benchmark_named(name, vocabulary) for name in settings.benchmarks}
    digests = {
        f"benchmark {name}": _digest(storage.join(root, file)) for name, file in settings.benchmarks.items()
    }
    if vocabulary:
        digests["vocabulary"] = _digest(vocabulary)
    return benchmarks, digests


def _digest(uri: str) -> str:
    return hashlib.sha256(storage.read_bytes(uri)).hexdigest()


def _questions(
    root: str, benchmarks: Mapping[str, Benchmark], settings: EvaluationSettings
) -> list[Question]:
    """All questions, benchmark after benchmark; inside one, the questions of an image follow each other."""
    questions: list[Question] = []
    for name, benchmark in benchmarks.items():
        loaded = benchmark.load(storage.join(root, settings.benchmarks[name]))
        of_image: dict[str, list[Question]] = {}
        for question in loaded[: settings.limit or None]:
            of_image.setdefault(question.image, []).append(question)
        questions += [question for group in of_image.values() for question in group]
    return resolve_images(root, questions)


def _say_results(artifact: Artifact, benchmarks: Mapping[str, Benchmark]) -> None:
    say(STAGE, f"{artifact.manifest['rows_in']:,} questions -> {len(artifact):,} answers")
    for name, entry in artifact.results["benchmarks"].items():
        shown = [
            f"{metric} {value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
            for metric, value in entry["metrics"].items()
            if benchmarks[name].better[metric]
        ]
        say(STAGE, f"{name}: {', '.join(shown)}")
