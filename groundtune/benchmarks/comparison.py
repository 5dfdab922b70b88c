"""Two evaluations side by side, base and aligned model on the same questions, with paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.benchmarks.bootstrap import Difference, paired_difference
from groundtune.benchmarks.question import Answered, Benchmark
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import (
    answers_by_benchmark,
    families_with_splits,
    mean_metrics_of,
    metrics_of,
    resampling_of,
    results_of,
)
from groundtune.errors import ArtifactError
from groundtune.settings import EvaluationSettings

Groups = Mapping[str, Sequence[Answered]]
_BETTER = {"higher": "↑", "lower": "↓", "": ""}


def compare(base: Artifact, aligned: Artifact) -> dict[str, Any]:
    """{"rows": [...], "base": digest, "aligned": digest, "interval": coverage}.

    A row: benchmark, reading, metric, better ("higher", "lower" or ""), base and aligned {"value", "low",
    "high"}, difference (aligned - base) {"value", "low", "high", "p"}, and verdict: "better", "worse" or
    "open" (the interval of the difference holds 0, or neither direction is better). A family in several
    splits gets rows of means, reading "mean of N". Resampling follows the aligned evaluation's settings.
    Raises ArtifactError when questions, images, parser, decoding or suffix differ: the numbers would not
    compare.
    """
    check_protocol(base, aligned)
    first, second = answers_by_benchmark(base.rows()), answers_by_benchmark(aligned.rows())
    check_questions(base, first, aligned, second)
    settings = EvaluationSettings.from_mapping(aligned.settings)
    resampling = resampling_of(settings)
    before, after = results_of(first, resampling), results_of(second, resampling)
    rows: list[dict[str, Any]] = []
    for name in first:
        benchmark = benchmark_named(name)
        readings = benchmark.readings_of(first[name])
        if readings != benchmark.readings_of(second[name]):
            raise ArtifactError(f"{name}: {base.path} and {aligned.path} were not answered in the same way")
        for reading in readings:
            key = "metrics" if reading == readings[0] else reading
            counts = [benchmark.score(first[name], reading)], [benchmark.score(second[name], reading)]
            differences = paired_difference(*counts, metrics_of(benchmark), resampling)
            figures = before["benchmarks"][name][key], after["benchmarks"][name][key]
            rows += _rows(name, reading, benchmark, *figures, differences)
    for family, splits in families_with_splits(first).items():
        benchmark = benchmark_named(family)
        reading = benchmark.readings_of(first[splits[0]])[0]
        one = [benchmark_named(name).score(first[name], reading) for name in splits]
        two = [benchmark_named(name).score(second[name], reading) for name in splits]
        differences = paired_difference(one, two, mean_metrics_of(benchmark), resampling)
        figures = before["means"][family]["metrics"], after["means"][family]["metrics"]
        rows += _rows(family, f"mean of {len(splits)}", benchmark, *figures, differences)
    return {"base": base.digest, "aligned": aligned.digest, "interval": settings.interval, "rows": rows}


def to_markdown(comparison: Mapping[str, Any]) -> str:
    """A table that a person reads; numbers with three digits, intervals in brackets."""
    lines = [
        "| benchmark | reading | metric | base | aligned | aligned - base | p | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in comparison["rows"]:
        difference = row["difference"]
        cells = [
            row["benchmark"],
            row["reading"],
            f"{row['metric']} {_BETTER[row['better']]}".strip(),
            _shown(row["base"]),
            _shown(row["aligned"]),
            _shown(difference, "+"),
            f"{difference['p']:.3g}",
            row["verdict"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    lines.append(
        f"Brackets: {comparison['interval']:.0%} intervals, bootstrap over images; differences are paired "
        "by image, with permutation p-values that are not corrected for the number of rows."
    )
    return "\n".join(lines) + "\n"


def _rows(
    name: str,
    reading: str,
    asked: Benchmark,
    base: Mapping[str, Any],
    aligned: Mapping[str, Any],
    differences: Mapping[str, Difference],
) -> list[dict[str, Any]]:
    return [
        {
            "benchmark": name,
            "reading": reading,
            "metric": metric,
            "better": asked.direction(metric),
            "base": base[metric],
            "aligned": aligned[metric],
            "difference": difference.as_dict(),
            "verdict": verdict(difference, asked.direction(metric)),
        }
        for metric, difference in differences.items()
    ]


def verdict(difference: Difference, better: str) -> str:
    """ "better" or "worse" when the whole interval of the difference lies on one side of 0, else "open"."""
    if not better or difference.low <= 0.0 <= difference.high:
        return "open"
    return "better" if (difference.low > 0.0) == (better == "higher") else "worse"


def check_protocol(base: Artifact, aligned: Artifact) -> None:
    for artifact in (base, aligned):
        if artifact.kind != "answers":
            raise ArtifactError(f"{artifact.path}: holds {artifact.kind!r}, expected an evaluation's 'answers'")
    one, two = (artifact.results["identity"]["protocol"] for artifact in (base, aligned))
    for name in one.keys() | two.keys():
        if one.get(name) != two.get(name):
            raise ArtifactError(
                f"{base.path} and {aligned.path} were not evaluated alike: {name} is {one.get(name)!r} and "
                f"{two.get(name)!r}; evaluate both with the same settings and files"
            )


def check_questions(base: Artifact, first: Groups, aligned: Artifact, second: Groups) -> None:
    """Both must hold answers to exactly the same questions: one that was rejected on one side only counts as
    well.
    """
    if list(first) != list(second):
        raise ArtifactError(f"{base.path} answers {list(first)}, {aligned.path} answers {list(second)}")
    for name in first:
        one = {answered.question.question_id: answered.question for answered in first[name]}
        two = {answered.question.question_id: answered.question for answered in second[name]}
        for question_id in [*one, *two]:
            if one.get(question_id) != two.get(question_id):
                raise ArtifactError(
                    f"{name}/{question_id}: {base.path} was asked {_asked(one.get(question_id))}, "
                    f"{aligned.path} was asked {_asked(two.get(question_id))}; "
                    "evaluate both on the same question file"
                )


def _asked(question: Any) -> str:
    return f'"{question.text}" about {question.image} (truth {question.truth_text})' if question else "no such question"


def _shown(figure: Mapping[str, float], sign: str = "") -> str:
    return f"{figure['value']:{sign}.3f} [{figure['low']:{sign}.3f}, {figure['high']:{sign}.3f}]"
