"""Section "flow": what went into each stage, what came out, what was dropped and why; and whether it fits together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from groundtune.artifacts import Row
from groundtune.candidates.combine import joined_digest
from groundtune.report import flow_stages
from groundtune.report.flow_stages import Stage
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.report.wording import count


@dataclass(frozen=True)
class Flow:
    """stages in their order; problems: sentences about counts or digests that do not fit together."""

    stages: list[Stage]
    problems: list[str]


def flow_of(run: RunArtifacts, scores: list[Row], pairs: list[Row]) -> Flow:
    found = {
        "prompts": flow_stages.prompts(run.prompts),
        "candidates": flow_stages.candidates(run.candidates),
        "scores": flow_stages.scores(run.scores, scores),
        "pairs": flow_stages.pairs(run.pairs, pairs),
    }
    if run.image_pairs:
        found["image preferences"] = flow_stages.image_preferences(run.image_pairs)
    if run.image_reference:
        found["image reference"] = flow_stages.image_reference(run.image_reference)
    if run.adapter is not None:
        found["training"] = flow_stages.training(run.adapter, len(run.pairs), len(run.log))
    for model, answers, probe in (
        ("base model", run.base, run.base_probe),
        ("aligned model", run.aligned, run.aligned_probe),
    ):
        if answers is not None:
            found[f"evaluation, {model}"] = flow_stages.evaluation(model, answers)
        if probe is not None:
            found[f"probe, {model}"] = flow_stages.probe(model, probe)
    return Flow(list(found.values()), [*_lost(found.values()), *_uneven(run, found, scores), *_foreign(run)])


def _lost(stages: Iterable[Stage]) -> Iterator[str]:
    """Units lost inside a stage."""
    for stage in stages:
        if not stage.balanced:
            yield (
                f"{stage.title}: {count(stage.given)} in, but {count(stage.kept)} kept and "
                f"{count(sum(number for _, number in stage.dropped))} dropped."
            )


def _uneven(run: RunArtifacts, found: dict[str, Stage], scores: list[Row]) -> Iterator[str]:
    """Counts that differ from one stage to the next."""
    handed_on = {
        ("prompts", "candidates"): found["prompts"].kept,
        ("candidates", "scores"): sum(len(shard) for shard in run.candidates),
        ("scores", "pairs"): len({row["prompt_id"] for row in scores}),
        ("pairs", "image preferences"): len(run.pairs),
        ("image preferences", "image reference"): sum(len(shard) for shard in run.image_pairs),
        ("pairs", "training"): len(run.pairs),
    }
    for (source, target), out in handed_on.items():
        if target in found and found[target].given != out:
            yield f"{source} gave {count(out)}, {target} took {count(found[target].given)}."


def _foreign(run: RunArtifacts) -> list[str]:
    """Parents recorded in a manifest that are not the artifacts of this page."""
    links = [("candidates", shard.manifest["parents"], "prompts", run.prompts.digest) for shard in run.candidates]
    links.append(("pairs", run.pairs.manifest["parents"], "scores", run.scores.digest))
    for shard in run.image_pairs:
        links.append(("image pairs", shard.manifest["parents"], "prompts", run.prompts.digest))
        links.append(("image pairs", shard.manifest["parents"], "pairs", run.pairs.digest))
    for shard, corrupted in zip(run.image_reference, run.image_pairs, strict=False):
        links.append(("image reference", shard.manifest["parents"], "image_pairs", corrupted.digest))
    if run.adapter is not None:
        parents = run.adapter.manifest["parents"]
        links.append(("adapter", parents, "pairs", run.pairs.digest))
        if run.image_pairs:
            links.append(("adapter", parents, "image_pairs", joined_digest(run.image_pairs)))
        model = parents.get("model", "")
        for name, made in (
            ("base answers", run.base),
            ("aligned answers", run.aligned),
            ("base probe", run.base_probe),
            ("aligned probe", run.aligned_probe),
        ):
            if made is not None:
                links.append((name, made.manifest["parents"], "model", model))
    return list(
        dict.fromkeys(
            f"{name[0].upper()}{name[1:]}: made from other {parent.replace('_', ' ')} ({parents[parent][:12]}) "
            f"than the {parent.replace('_', ' ')} of this page ({digest[:12]})."
            for name, parents, parent, digest in links
            if parents.get(parent) and digest and parents[parent] != digest
        )
    )
