"""Section "flow": what went into each stage, what came out, what was dropped and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from groundtune.artifacts import Artifact, Row
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.report.wording import count, decimal, plural, reason


@dataclass(frozen=True)
class Stage:
    """One stage in numbers. dropped: (reason, how many); given = kept + the sum of dropped, all counted in `unit`.

    kept, made: units that survived, and what was made of them ("803 pairs"). settings: of this stage, for the fold.
    """

    title: str
    unit: str
    given: int
    kept: int
    made: str
    facts: list[str]
    dropped: list[tuple[str, int]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the units that came through, in [0, 1]."""
        return self.kept / self.given if self.given else 0.0

    @property
    def balanced(self) -> bool:
        return self.given == self.kept + sum(number for _, number in self.dropped)


@dataclass(frozen=True)
class Flow:
    """stages in their order; problems: sentences about counts or digests that do not fit together."""

    stages: list[Stage]
    problems: list[str]


def flow_of(run: RunArtifacts, scores: list[Row], pairs: list[Row]) -> Flow:
    stages = [_prompts(run.prompts), _candidates(run.candidates), _scores(run.scores, scores), _pairs(run.pairs, pairs)]
    if run.adapter is not None:
        stages.append(_training(run))
    for name, answers in (("base model", run.base), ("aligned model", run.aligned)):
        if answers is not None:
            stages.append(_evaluation(name, answers))
    return Flow(stages, _problems(run, stages, scores))


def _of_rows(artifact: Artifact, title: str, unit: str, kept: int, made: str, facts: list[str]) -> Stage:
    return Stage(
        title, unit, int(artifact.manifest["rows_in"]), kept, made, facts, _dropped([artifact]), [artifact.digest],
        artifact.settings,
    )  # fmt: skip


def _dropped(artifacts: Sequence[Artifact]) -> list[tuple[str, int]]:
    """(reason in words, count), the most frequent first."""
    reasons: Counter[str] = Counter()
    for artifact in artifacts:
        reasons.update(artifact.manifest["rejected_reasons"])
    return [(reason(code), number) for code, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]


def _prompts(prompts: Artifact) -> Stage:
    return _of_rows(
        prompts, "Prompts", "row", len(prompts), plural(len(prompts), "prompt"), ["pictures and instructions, checked"]
    )


def _candidates(shards: list[Artifact]) -> Stage:
    rows = [row for shard in shards for row in shard.rows()]
    pools, votes = len({row["prompt_id"] for row in rows}), sum(row["multiplicity"] for row in rows)
    facts = ["no answers were sampled"]
    if rows:
        facts = [
            f"{plural(votes, 'sample')} from {plural(pools, 'pool')}",
            f"{decimal(len(rows) / pools, 1)} distinct answers a pool",
            f"each said {decimal(votes / len(rows), 1)} times on average",
        ]
        if cut := sum(not row["finished"] for row in rows):
            facts.append(f"{count(cut)} cut at the longest length")
    if len(shards) > 1:
        facts.append(f"{len(shards)} shards")
    return Stage(
        "Candidates",
        "prompt",
        sum(int(shard.manifest["rows_in"]) for shard in shards),
        pools,
        plural(len(rows), "distinct answer"),
        facts,
        _dropped(shards),
        [shard.digest for shard in shards],
        shards[0].settings if shards else {},
    )


def _scores(artifact: Artifact, rows: list[Row]) -> Stage:
    facts = ["nothing was scored"]
    if rows:
        facts = [
            f"by {', '.join(sorted({name for row in rows for name in row['scorers']}))}",
            f"mean MAS {decimal(sum(row['mas'] for row in rows) / len(rows))}",
            f"mean confidence {decimal(sum(row['confidence'] for row in rows) / len(rows))} nats a token",
        ]
    return _of_rows(artifact, "Scores", "answer", len(rows), plural(len(rows), "scored answer"), facts)


def _pairs(artifact: Artifact, rows: list[Row]) -> Stage:
    facts = ["no pair was selected"]
    if rows:
        gap = sum(row["chosen_mas"] - row["rejected_mas"] for row in rows) / len(rows)
        facts = [f"mean MAS gap {decimal(gap)}"]
    prompts = len({row["prompt_id"] for row in rows})
    if prompts != len(rows):
        facts.append(f"from {plural(prompts, 'prompt')}")
    return _of_rows(artifact, "Pairs", "pool", prompts, plural(len(rows), "pair"), facts)


def _training(run: RunArtifacts) -> Stage:
    adapter = run.adapter
    assert adapter is not None
    settings, results = adapter.settings, adapter.results
    pairs = int(results.get("pairs", len(run.pairs)))
    steps = int(results.get("steps", len(run.log)))
    facts = []
    if "epochs" in settings and "pairs_per_step" in settings:
        passes = plural(settings["epochs"], "epoch")
        facts.append(f"{plural(pairs, 'pair')} × {passes}, {settings['pairs_per_step']} a step")
    if "lora_rank" in settings:
        facts.append(f"LoRA rank {settings['lora_rank']}, beta {settings.get('beta', '?')}")
    if not run.log:
        facts.append("no training log")
    return Stage(
        "Training", "pair", pairs, pairs, plural(steps, "optimizer step"), facts, [], [adapter.digest], settings
    )


def _evaluation(name: str, answers: Artifact) -> Stage:
    benchmarks = answers.results.get("benchmarks", {})
    facts = [f"{bench}: {plural(entry.get('questions', 0), 'question')}" for bench, entry in benchmarks.items()]
    return _of_rows(
        answers,
        f"Evaluation, {name}",
        "question",
        len(answers),
        plural(len(answers), "answer"),
        facts or ["no benchmark"],
    )


def _problems(run: RunArtifacts, stages: list[Stage], scores: list[Row]) -> list[str]:
    """What does not fit: units lost inside a stage, counts that differ between stages, parents of another run."""
    found = [
        f"{stage.title}: {count(stage.given)} in, but {count(stage.kept)} kept and "
        f"{count(sum(number for _, number in stage.dropped))} dropped."
        for stage in stages
        if not stage.balanced
    ]
    prompts, candidates, scored, paired = stages[:4]
    answers = sum(len(shard) for shard in run.candidates)
    handed_on = [
        ("prompts", prompts.kept, "candidates", candidates.given),
        ("candidates", answers, "scores", scored.given),
        ("scores", len({row["prompt_id"] for row in scores}), "pairs", paired.given),
    ]
    if run.adapter is not None:
        handed_on.append(("pairs", len(run.pairs), "training", stages[4].given))
    found += [
        f"{source} gave {count(out)}, {target} took {count(taken)}."
        for source, out, target, taken in handed_on
        if out != taken
    ]
    return found + _foreign(run)


def _foreign(run: RunArtifacts) -> list[str]:
    """Parents recorded in a manifest that are not the artifacts of this page."""
    links = [("candidates", shard.manifest["parents"], "prompts", run.prompts.digest) for shard in run.candidates]
    links.append(("pairs", run.pairs.manifest["parents"], "scores", run.scores.digest))
    if run.adapter is not None:
        links.append(("adapter", run.adapter.manifest["parents"], "pairs", run.pairs.digest))
        model = run.adapter.manifest["parents"].get("model", "")
        for name, answers in (("base answers", run.base), ("aligned answers", run.aligned)):
            if answers is not None:
                links.append((name, answers.manifest["parents"], "model", model))
    return [
        f"{name[0].upper()}{name[1:]}: made from other {parent} ({parents[parent][:12]}) "
        f"than the {parent} of this page ({digest[:12]})."
        for name, parents, parent, digest in links
        if parents.get(parent) and digest and parents[parent] != digest
    ]
