"""The figures of both probes side by side; what cannot be compared comes with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from groundtune.artifacts import Artifact
from groundtune.benchmarks.modality_probe.comparison import compare_probes
from groundtune.errors import ArtifactError

Figure = Mapping[str, float]
Key = tuple[str, str]  # section and name of a figure, as in the manifest of a probe


@dataclass(frozen=True)
class Compared:
    """One figure of the probes. base or aligned is None when that model has none; difference: aligned - base, paired,
    None when the two were not compared."""

    base: Figure | None = None
    aligned: Figure | None = None
    difference: Figure | None = None


def compared_figures(base: Artifact | None, aligned: Artifact | None) -> tuple[dict[Key, Compared], str]:
    """(figures, why nothing is compared). Without a comparison each model keeps the figures of its own probe. The
    rewards are the aligned model's in either case: a model without an adapter has none."""
    figures, problem = _figures(base, aligned)
    if aligned is not None:
        for name in ("text", "image"):
            if reward := aligned.results.get("reward", {}).get(name):
                figures["reward", name] = Compared(aligned=reward)
    return figures, problem


def _figures(base: Artifact | None, aligned: Artifact | None) -> tuple[dict[Key, Compared], str]:
    if base is not None and aligned is not None:
        try:
            return {
                (one.section, one.name): Compared(one.base.as_dict(), one.aligned.as_dict(), one.difference.as_dict())
                for one in compare_probes(base, aligned)
            }, ""
        except ArtifactError as error:
            problem = f"No paired differences: {error}"
    else:
        missing = "base" if base is None else "aligned"
        problem = f"The {missing} model was not probed, so there is nothing to compare."
    before, after = (_own(probe) for probe in (base, aligned))
    return {key: Compared(before.get(key), after.get(key)) for key in {**before, **after}}, problem


def _own(probe: Artifact | None) -> dict[Key, Figure]:
    """The figures of one probe's manifest."""
    sections = probe.results if probe else {}
    return {
        (section, name): figure
        for section, figures in sections.items()
        if isinstance(figures, Mapping)
        for name, figure in figures.items()
        if isinstance(figure, Mapping) and "value" in figure
    }
