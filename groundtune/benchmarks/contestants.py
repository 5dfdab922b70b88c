"""score_answers: the slices of a model and its baseline become two evaluations and a judge's preference among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.artifacts import Artifact, flat_scalars, read_artifact, write_scalars
from groundtune.benchmarks import joining, preference
from groundtune.benchmarks.pairwise import has_pairs
from groundtune.benchmarks.results import resampling_of
from groundtune.benchmarks.slices import BASELINE, MODEL
from groundtune.errors import ArtifactError
from groundtune.progress import say
from groundtune.settings import EvaluationSettings, JudgeSettings

PAIRWISE = "pairwise"  # folder of the preference, beside those of the contestants


@dataclass(frozen=True)
class Evaluated:
    """The scored answers of each contestant (slices.MODEL, slices.BASELINE), and the judge's preference among them."""

    answers: dict[str, Artifact]
    pairwise: Artifact | None = None

    @property
    def card(self) -> dict[str, Any]:
        """What a UI shows."""
        return {name: artifact.card for name, artifact in self._all.items()}

    @property
    def scalars(self) -> dict[str, float]:
        """Flat figures: the model's by their names, another contestant's behind its own."""
        return flat_scalars(
            {
                **self.answers[MODEL].results,
                **{name: artifact.results for name, artifact in self._all.items() if name != MODEL},
            }
        )

    @property
    def _all(self) -> dict[str, Artifact]:
        return self.answers | ({PAIRWISE: self.pairwise} if self.pairwise else {})


def run(
    slices: Sequence[str | Path],
    out: str | Path,
    judge: JudgeSettings | Mapping[str, Any] | None = None,
    metrics: str | Path = "",
) -> Evaluated:
    """`joining.run` for each model whose slices are there, into <out>/<contestant>; with a baseline and a judge, which
    answers the judge prefers, into <out>/pairwise. metrics: file for the figures, or ""."""
    groups: dict[str, list[str | Path]] = {}
    for path in slices:
        contestant = read_artifact(path, "answers").manifest["extra"].get("contestant", MODEL)
        groups.setdefault(contestant, []).append(path)
    if MODEL not in groups:
        raise ArtifactError(f"{joining.STAGE}: no slice of the {MODEL}'s answers")
    answers = {name: joining.run(paths, Path(out) / name, judge) for name, paths in sorted(groups.items())}
    pairwise = None
    if BASELINE in answers and JudgeSettings.of(judge, "judge").base_url and has_pairs(answers[MODEL]):
        resampling = resampling_of(EvaluationSettings.from_mapping(answers[MODEL].settings))
        base, aligned, target = (Path(out) / name for name in (BASELINE, MODEL, PAIRWISE))
        try:
            pairwise = preference.run(base, aligned, target, judge or {}, resampling=resampling)
        except ArtifactError as error:  # a question that one of them could not be asked: the scores stand
            say(joining.STAGE, f"no preference by the judge: {error}")
    made = Evaluated(answers, pairwise)
    if metrics:
        write_scalars(made.scalars, metrics)
    return made
