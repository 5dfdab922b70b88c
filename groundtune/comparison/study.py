"""study_of: a whole comparison as plain data, from which its page, tables, figures and documentation are made."""

import itertools
from collections.abc import Sequence
from typing import Any

from groundtune.artifacts import Artifact
from groundtune.benchmarks.bootstrap import Resampling
from groundtune.comparison.answers import BASE
from groundtune.comparison.budgets import budget_of
from groundtune.comparison.curves import curves_of, is_variant
from groundtune.comparison.efficiency import efficiency_of
from groundtune.comparison.statistics import Statistics
from groundtune.comparison.tables import counts_of
from groundtune.comparison.verdict import Claim, verdict_of
from groundtune.errors import ArtifactError


def study_of(comparisons: Sequence[Artifact], claim: Claim) -> dict[str, Any]:
    """JSON types only: seeds, metrics, base, methods, verdict, curves, efficiency, provenance.

    comparisons: a `comparison` artifact a seed, in any order. A method: name, its mapping as configured, `variant` (on
    curves only, and not in the claim), budget ({name: [S]}), figures ({metric: value, low, high, seeds, to_base,
    to_champion}). Raises ArtifactError when a seed came twice, when seeds hold other methods, or were evaluated
    otherwise.
    """
    settings = claim.settings
    ordered = _ordered(comparisons)
    counted = [counts_of(one) for one in ordered]
    for one, (_, readings) in zip(ordered, counted, strict=True):
        if readings != counted[0][1]:
            raise ArtifactError(f"{one.path} was not answered as {ordered[0].path}")
    resampling = Resampling(settings.resamples, settings.interval, settings.seed)
    statistics = Statistics([counts for counts, _ in counted], counted[0][1], resampling)
    seeds = [one.results for one in ordered]
    methods = [entry["method"] for entry in seeds[0]["methods"]]
    entries = [{entry["name"]: entry for entry in seed["methods"]} for seed in seeds]
    budgets = {name: budget_of([found[name]["training"] for found in entries]) for name in entries[0]}
    curves, claimed = curves_of(methods), {claim.champion, *claim.baselines}
    return {
        "seeds": [seed["seed"] for seed in seeds],
        "settings": settings.to_mapping(),
        "questions": sum(1 for method in ordered[0].values("method") if method == BASE),
        "metrics": statistics.metrics,
        "base": statistics.values(BASE),
        "methods": [
            {
                "name": method["name"],
                "method": method,
                "variant": method["name"] not in claimed and is_variant(method),
                "budget": budgets[method["name"]],
                "figures": _figures(statistics, method["name"], claim.champion),
            }
            for method in methods
        ],
        "verdict": verdict_of(statistics, budgets, claim),
        "curves": curves,
        "efficiency": efficiency_of(statistics, curves, claim),
        "provenance": {
            "comparisons": {str(seed["seed"]): one.digest for seed, one in zip(seeds, ordered, strict=True)},
            "identity": seeds[0]["identity"],
            "groundtune": ordered[0].manifest["groundtune"],
            "packages": ordered[0].manifest["packages"],
        },
    }


def _figures(statistics: Statistics, name: str, champion: str) -> dict[str, dict[str, Any]]:
    figures = statistics.values(name)
    rivals = {"to_base": BASE} | ({"to_champion": champion} if champion in statistics.methods else {})
    for kind, other in rivals.items():
        if other == name:
            continue
        for metric, found in statistics.difference(name, other).items():
            figures[metric][kind] = found.as_dict()
    return figures


def _ordered(comparisons: Sequence[Artifact]) -> list[Artifact]:
    """By seed. All must be of the same methods, as configured, and of the same evaluation."""
    if not comparisons:
        raise ArtifactError("report_comparison: no comparison: at least one seed is needed")
    ordered = sorted(comparisons, key=lambda one: int(one.results["seed"]))
    first = ordered[0]
    for one, other in itertools.pairwise(ordered):
        if one.results["seed"] == other.results["seed"]:
            raise ArtifactError(f"{one.path} and {other.path} are both of seed {one.results['seed']}")
    for one in ordered[1:]:
        for what, mine, theirs in (
            ("methods", one.settings["methods"], first.settings["methods"]),
            ("protocol", one.results["identity"]["protocol"], first.results["identity"]["protocol"]),
            ("base models", one.results["identity"]["model"], first.results["identity"]["model"]),
        ):
            if mine != theirs:
                raise ArtifactError(
                    f"{one.path} and {first.path} do not belong together: their {what} differ; "
                    "run all seeds of a comparison with the same configuration"
                )
    return ordered
