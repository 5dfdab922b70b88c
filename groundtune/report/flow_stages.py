"""Every stage of the flow in numbers: what it was given, what it kept, what it made of it, what it dropped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from groundtune.artifacts import Artifact, Row
from groundtune.folder_artifacts import FolderArtifact
from groundtune.report.wording import count, decimal, difficulties, fallback, percent, plural, reason


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


def _of(artifacts: Sequence[Artifact], title: str, unit: str, kept: int, made: str, facts: list[str]) -> Stage:
    """A stage whose artifact came in these shards."""
    if len(artifacts) > 1:
        facts = [*facts, f"{len(artifacts)} shards"]
    return Stage(
        title, unit, sum(int(artifact.manifest["rows_in"]) for artifact in artifacts), kept, made, facts,
        _dropped(artifacts), [artifact.digest for artifact in artifacts], artifacts[0].settings if artifacts else {},
    )  # fmt: skip


def _dropped(artifacts: Sequence[Artifact]) -> list[tuple[str, int]]:
    """(reason in words, count), the most frequent first."""
    reasons: Counter[str] = Counter()
    for artifact in artifacts:
        reasons.update(artifact.manifest["rejected_reasons"])
    return [(reason(code), number) for code, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]


def prompts(artifact: Artifact) -> Stage:
    facts = ["pictures and instructions, checked"]
    return _of([artifact], "Prompts", "row", len(artifact), plural(len(artifact), "prompt"), facts)


def candidates(shards: list[Artifact]) -> Stage:
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
    return _of(shards, "Candidates", "prompt", pools, plural(len(rows), "distinct answer"), facts)


def scores(artifact: Artifact, rows: list[Row]) -> Stage:
    facts = ["nothing was scored"]
    if rows:
        facts = [
            f"by {', '.join(sorted({name for row in rows for name in row['scorers']}))}",
            f"mean MAS {decimal(sum(row['mas'] for row in rows) / len(rows))}",
            f"mean confidence {decimal(sum(row['confidence'] for row in rows) / len(rows))} nats a token",
        ]
    return _of([artifact], "Scores", "answer", len(rows), plural(len(rows), "scored answer"), facts)


def pairs(artifact: Artifact, rows: list[Row]) -> Stage:
    facts = ["no pair was selected"]
    if rows:
        gap = sum(row["chosen_mas"] - row["rejected_mas"] for row in rows) / len(rows)
        facts = [f"mean MAS gap {decimal(gap)}"]
    sources = len({row["prompt_id"] for row in rows})
    if sources != len(rows):
        facts.append(f"from {plural(sources, 'prompt')}")
    return _of([artifact], "Pairs", "pool", sources, plural(len(rows), "pair"), [*facts, *_curriculum(rows)])


def _curriculum(rows: list[Row]) -> list[str]:
    """The stages of the curriculum, with the entropy of their pools; nothing when there is a single one."""
    entropies: dict[int, list[float]] = {}
    for row in rows:
        if row["pool_entropy"] is not None:
            entropies.setdefault(row["curriculum_stage"], []).append(row["pool_entropy"])
    if len(entropies) < 2:
        return []
    names = difficulties(len(entropies))
    ranges = [(min(entropies[stage]), max(entropies[stage])) for stage in sorted(entropies)]
    facts = [f"curriculum of {len(entropies)} stages by pool entropy, nats:"]
    for name, stage, (low, high) in zip(names, sorted(entropies), ranges, strict=True):
        facts.append(f"{name}: {plural(len(entropies[stage]), 'pair')}, {_range(low, high)}")
    alike = [name for name, (low, high) in zip(names, ranges, strict=True) if high - low < 0.01]
    if alike:
        facts.append(f"inside {' and '.join(alike)} the entropies differ by less than 0.01")
    return facts


def _range(low: float, high: float) -> str:
    """With as many digits as it takes to tell the ends apart, at most four."""
    digits = next((digits for digits in (2, 3) if decimal(low, digits) != decimal(high, digits)), 4)
    return f"{decimal(low, digits)} to {decimal(high, digits)}"


def image_preferences(shards: list[Artifact]) -> Stage:
    """Pairs in, corrupted images out. Those that were corrupted whole are counted by the reason for it."""
    rows = found = keywords = 0
    area = 0.0
    whole: Counter[str] = Counter()
    for row in (row for shard in shards for row in shard.rows()):
        rows, area = rows + 1, area + row["area"]
        keywords, found = keywords + len(row["keywords"]), found + sum(word["found"] for word in row["keywords"])
        whole.update([row["fallback"]] if row["fallback"] else [])
    facts = ["no image was corrupted"]
    if rows:
        facts = [
            f"{count(found)} of {plural(keywords, 'keyword')} found"
            + (f" ({percent(found / keywords, 0)})" if keywords else ""),
            f"{percent(area / rows, 0)} of the pixels destroyed on average",
            *(
                f"{plural(number, 'whole image')}: {fallback(code)}"
                for code, number in sorted(whole.items(), key=lambda item: (-item[1], item[0]))
            ),
        ]
        if not whole:
            facts.append("no fallback to the whole image")
    tools = shards[0].manifest.get("extra", {})
    facts += [f"{words} {tools[name]}" for name, words in _TOOLS if tools.get(name)]
    return _of(shards, "Image preferences", "pair", rows, plural(rows, "corrupted image"), facts)


_TOOLS = (("tagger", "keywords by"), ("finder", "regions by"))


def image_reference(shards: list[Artifact]) -> Stage:
    rows = sum(len(shard) for shard in shards)
    facts = ["log-prob of the chosen answer under the corrupted image, base model"]
    return _of(shards, "Image reference", "corrupted image", rows, plural(rows, "answer") + " read again", facts)


def training(adapter: FolderArtifact, selected: int, logged: int) -> Stage:
    """selected: how many pairs there were; logged: steps in the training log. Used where the manifest has no count."""
    settings, results = adapter.settings, adapter.results
    taken = int(results.get("pairs", selected))
    steps = int(results.get("steps", logged))
    facts = []
    if "epochs" in settings and "pairs_per_step" in settings:
        passes = plural(settings["epochs"], "epoch")
        facts.append(f"{plural(taken, 'pair')} × {passes}, {settings['pairs_per_step']} a step")
    if results.get("image_pairs"):
        facts.append(f"{count(results['image_pairs'])} with a corrupted image")
    if "lora_rank" in settings:
        facts.append(f"LoRA rank {settings['lora_rank']}, beta {settings.get('beta', '?')}")
    if not logged:
        facts.append("no training log")
    return Stage(
        "Training", "pair", taken, taken, plural(steps, "optimizer step"), facts, [], [adapter.digest], settings
    )


def evaluation(model: str, answers: Artifact) -> Stage:
    benchmarks = answers.results.get("benchmarks", {})
    facts = [f"{bench}: {plural(entry.get('questions', 0), 'question')}" for bench, entry in benchmarks.items()]
    made = plural(len(answers), "answer")
    return _of([answers], f"Evaluation, {model}", "question", len(answers), made, facts or ["no benchmark"])


def probe(model: str, artifact: Artifact) -> Stage:
    kinds = Counter(row["probe"] for row in artifact.rows())
    facts = [plural(kinds[kind], words) for kind, words in _PROBED if kinds[kind]] or ["nothing was asked"]
    stage = _of([artifact], f"Probe, {model}", "item", len(artifact), f"{count(len(artifact))} probed", facts)
    return replace(stage, settings=artifact.settings.get("probe", {}))  # the other sections are other stages' settings


_PROBED = (("question", "yes/no question"), ("caption", "description"), ("pair", "preference pair"))
