"""The slices of one model's answers come together, are judged where a judge is needed, and scored."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune import tracking
from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, Row, parts_of, read_artifact
from groundtune.benchmarks.judge import Judge, load_judge
from groundtune.benchmarks.judging import judged_rows
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import results_of_artifact, say_results
from groundtune.benchmarks.slices import benchmark_of
from groundtune.digests import digest_of
from groundtune.errors import ArtifactError
from groundtune.images import ATTACHED
from groundtune.progress import Progress
from groundtune.settings import EvaluationSettings, JudgeSettings

STAGE = "score_answers"


def run(
    slices: Sequence[str | Path],
    out: str | Path,
    judge: JudgeSettings | Mapping[str, Any] | None = None,
) -> Artifact:
    """The `answers` artifact that one machine would have written, from slices of one model's answers in any order.

    Answers that were judged before keep their rating unless a judge is given. Raises ArtifactError when a slice is
    missing or doubled, or when slices are of different models or protocols; JudgeError when the judge cannot be had.
    """
    parts = _ordered([read_artifact(path, "answers") for path in slices])
    first = parts[0]
    settings = EvaluationSettings.from_mapping(first.settings)
    asked = load_judge(JudgeSettings.of(judge, "judge"))
    rows = [(row, part) for part in parts for row in part.rows()]
    rejected = [row for part in parts for row in part.rejected()]
    parents = _joined(parts, "parents") | {"images": digest_of({row["image"]: row["image_sha256"] for row, _ in rows})}
    extra = {
        **first.manifest["extra"],
        "slice": "",
        "judge": asked.identity if asked else {},
        "benchmarks": {name: one for part in parts for name, one in part.manifest["extra"]["benchmarks"].items()},
        # Slices answered again, with the same inputs, may hold other answers: nothing of an unfinished join fits them.
        "slices": digest_of([part.digest for part in parts]),
    }
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=parents) as log:
        writer = ArtifactWriter(Path(out), "answers", settings.to_mapping(), parents, extra=extra)
        progress = Progress(STAGE, len(rows), "answers")
        for index, chunk in parts_of(rows, settings.questions_per_part):
            if writer.has_part(index):
                progress.skip(len(chunk))
                continue
            made = _rated([row for row, _ in chunk], asked)
            writer.write_part(index, made, rejected if index == 0 else [], _attached(chunk))
            progress.add(len(chunk))
        artifact = writer.finish(
            len(rows) + len(rejected),
            max_rejected_share=settings.max_rejected_share,
            results=lambda made: {
                **results_of_artifact(made, settings),
                "identity": _identity(parts, made),
                "questions_per_second": sum(part.results["questions_per_second"] for part in parts),
                **({"judge": {**asked.served, **asked.usage}} if asked else {}),
            },
        )
        say_results(STAGE, artifact)
        log.metrics(artifact.scalars)
        log.output(artifact.digest)
        return artifact


def _ordered(parts: list[Artifact]) -> list[Artifact]:
    """The slices, benchmark after benchmark, each complete. A whole evaluation is its own only slice."""
    if not parts:
        raise ArtifactError("score_answers: no slice of answers")
    by_name = {str(part.manifest["extra"]["slice"]): part for part in parts}
    if len(by_name) != len(parts):
        raise ArtifactError(f"score_answers: a slice came twice: {[part.manifest['extra']['slice'] for part in parts]}")
    for part in parts[1:]:
        for name, one, other in (
            ("model", part.results["identity"]["model"], parts[0].results["identity"]["model"]),
            ("adapter", part.results["identity"]["adapter"], parts[0].results["identity"]["adapter"]),
            ("settings", part.settings, parts[0].settings),
            ("dtype", part.manifest["extra"]["dtype"], parts[0].manifest["extra"]["dtype"]),
            ("device", part.manifest["extra"]["device"], parts[0].manifest["extra"]["device"]),
        ):
            if one != other:
                raise ArtifactError(f"{part.path} and {parts[0].path} do not belong together: their {name} differs")
    if list(by_name) == [""]:
        return parts
    counts: dict[str, int] = {}
    for name in by_name:
        counts[benchmark_of(name)] = int(name.rpartition("/")[2])
    expected = [f"{name} {index}/{count}" for name, count in counts.items() for index in range(count)]
    if missing := sorted(set(expected) ^ set(by_name)):
        raise ArtifactError(f"score_answers: slices missing or not of this cut: {', '.join(missing)}")
    order = list(EvaluationSettings.from_mapping(parts[0].settings).benchmarks)
    expected.sort(key=lambda name: order.index(benchmark_of(name)))  # stable: parts of one benchmark stay in order
    return [by_name[name] for name in expected]


def _joined(parts: Sequence[Artifact], key: str) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.manifest[key].items()}


def _rated(rows: list[Row], judge: Judge | None) -> list[Row]:
    if judge is None:
        return rows
    benchmarks = {name: benchmark_named(name) for name in {row["benchmark"] for row in rows}}
    answered = [benchmarks[row["benchmark"]].answered(row) for row in rows]
    return judged_rows(answered, {row["image"]: row["image_sha256"] for row in rows}, benchmarks, judge)


def _attached(chunk: Sequence[tuple[Row, Artifact]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for row, part in chunk:
        if row["image"].startswith(ATTACHED):
            name = row["image"].removeprefix(ATTACHED)
            files[name] = (part.files / name).read_bytes()
    return files


def _identity(parts: Sequence[Artifact], made: Artifact) -> dict[str, Any]:
    """As of one machine: what the slices say together. Raises ArtifactError when they contradict each other."""
    identities = [part.results["identity"] for part in parts]
    protocol: dict[str, Any] = {}
    for one in identities:
        for name, value in one["protocol"].items():
            if isinstance(value, Mapping):
                for key, inner in value.items():
                    if protocol.setdefault(name, {}).setdefault(key, inner) != inner:
                        raise ArtifactError(f"the slices were not answered alike: {name} of {key} differs")
            elif name != "images" and protocol.setdefault(name, value) != value:
                raise ArtifactError(f"the slices were not answered alike: {name} differs")
    protocol["images"] = digest_of({row["image"]: row["image_sha256"] for row in made.rows()})
    protocol["judge"] = made.manifest["extra"]["judge"]
    return {**identities[0], "protocol": protocol}
