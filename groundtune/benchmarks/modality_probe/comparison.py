"""Two probes side by side, base and aligned model under the same questions, images and noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.bootstrap import Difference, Estimate, paired_difference
from groundtune.benchmarks.modality_probe.figures import FIGURES
from groundtune.benchmarks.modality_probe.results import estimate_of, mean_of, resampling_of, table_of
from groundtune.errors import ArtifactError
from groundtune.settings import ProbeSettings

# What may differ between two probes that compare: the model, and how the work was cut and the intervals drawn.
_FREE_INPUTS = ("model", "adapter")
_FREE_SETTINGS = ("probe.questions_per_batch", "probe.bootstrap_resamples", "image_preference.pairs_per_batch")
Identity = tuple[str, str]


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of both probes, over the `rows` questions, captions or pairs that have it in both.

    difference: aligned - base, paired by image, with a permutation p-value.
    """

    section: str
    name: str
    unit: str
    rows: int
    base: Estimate
    aligned: Estimate
    difference: Difference


def compare_probes(base: Artifact, aligned: Artifact) -> list[ComparedFigure]:
    """Every figure that both probes have, in the order of FIGURES, with 95 % intervals.

    The regions of a caption are those of each model's own caption; all else is the same for both. The rewards are left
    out: a model without an adapter has none. Raises ArtifactError when the probes did not ask the same.
    """
    _check_alike(base, aligned)
    before, after = _rows_of(base), _rows_of(aligned)
    _check_questions(base, before, aligned, after)
    resampling = resampling_of(ProbeSettings.of(aligned.settings["probe"]))
    compared = []
    for figure in FIGURES:
        both = [
            identity
            for identity in before
            if figure.value(before[identity]) is not None and figure.value(after[identity]) is not None
        ]
        tables = [table_of(figure, (rows[identity] for identity in both)) for rows in (before, after)]
        if tables[0] is None or tables[1] is None:
            continue
        one, two = (estimate_of(table, resampling) for table in tables if table is not None)
        difference = paired_difference([tables[0]], [tables[1]], mean_of, resampling)["mean"]
        compared.append(ComparedFigure(figure.section, figure.name, figure.unit, len(both), one, two, difference))
    return compared


def _rows_of(artifact: Artifact) -> dict[Identity, Row]:
    return {(row["probe"], row["question_id"]): row for row in artifact.rows()}


def _check_alike(base: Artifact, aligned: Artifact) -> None:
    """Same settings, question files, images, pairs and region finder."""
    for artifact in (base, aligned):
        if artifact.kind != "probe":
            raise ArtifactError(f"{artifact.path}: holds {artifact.kind!r}, expected a modality probe, 'probe'")
    one, two = _inputs_of(base), _inputs_of(aligned)
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            raise ArtifactError(
                f"{base.path} and {aligned.path} were not probed alike: {name} is {one.get(name)!r} and "
                f"{two.get(name)!r}; probe both with the same settings and files"
            )


def _inputs_of(artifact: Artifact) -> dict[str, Any]:
    settings = {
        f"{section}.{name}": value for section, fields in artifact.settings.items() for name, value in fields.items()
    }
    parents = {f"input {name!r}": digest for name, digest in artifact.manifest["parents"].items()}
    free = {*_FREE_SETTINGS, *(f"input {name!r}" for name in _FREE_INPUTS)}
    return {name: value for name, value in {**settings, **parents}.items() if name not in free}


def _check_questions(
    base: Artifact, before: Mapping[Identity, Row], aligned: Artifact, after: Mapping[Identity, Row]
) -> None:
    """Both must hold exactly the same questions: one that was rejected on one side only counts as well."""
    for identity in [*before, *after]:
        one, two = _asked(before.get(identity)), _asked(after.get(identity))
        if one != two:
            raise ArtifactError(
                f"{identity[0]} {identity[1]!r}: {base.path} asked {one}, {aligned.path} asked {two}; compare probes "
                "of the same questions"
            )


def _asked(row: Row | None) -> str:
    return f'"{row["question"]}" about {row["image"]}' if row else "no such question"
