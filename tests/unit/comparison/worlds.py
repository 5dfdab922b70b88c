"""Made-up comparisons, written by the real writers: every method invents, overlooks and varies as it is told."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundtune.artifact_writing import ArtifactWriter
from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.question import Answered, Question, row_of
from groundtune.benchmarks.registry import benchmark_named
from groundtune.benchmarks.results import answers_by_benchmark, results_of
from groundtune.comparison import answers
from groundtune.digests import digest_of
from groundtune.folder_artifacts import FolderWriter
from groundtune.settings import EvaluationSettings, TrainingSettings
from groundtune.vlm.checkpoints import checkpoint_digest

SPLITS = ("random", "popular", "adversarial")
THINGS = ("dog", "cat", "cup", "car", "apple", "plate", "horse", "tree")
PROTOCOL = {
    "inputs": {"benchmark chair": digest_of("chair"), "benchmark pope_random": digest_of("pope")},
    "images": digest_of("images"),
    "benchmarks": {"chair": {"parser": "chair-rules-1"}, "pope_random": {"parser": "pope-official-1"}},
    "decoding": {"caption": "greedy, at most 96 tokens", "yes_no": "greedy, at most 8 tokens"},
    "judge": {},
    "yes_no_suffix": "",
    "limit": 0,
}


@dataclass(frozen=True)
class Skill:
    """invents: chance that a caption names a thing that is not there. covers: share of the things that are. wrong:
    share of yes/no questions. varies: by how much a seed moves the three. always: the answer to every yes/no question,
    "" for one that looks."""

    invents: float = 0.5
    covers: float = 0.9
    wrong: float = 0.2
    varies: float = 0.02
    always: str = ""


@dataclass(frozen=True)
class Made:
    """One method. mapping: as a preset would give it, beside its name. training: what its adapter reports."""

    name: str
    skill: Skill
    mapping: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=lambda: {"pairs": 400, "answer_tokens": 24000, "steps": 50})

    @property
    def method(self) -> dict[str, Any]:
        return {"name": self.name, "trainer": "dpo", **self.mapping}


def comparison(
    root: Path, seed: int, made: Sequence[Made], base: Skill = Skill(0.55, 0.92, 0.25, 0.0), images: int = 40
) -> Artifact:
    """One seed, joined by the real stage; adapters and answers are handed over in another order than the methods."""
    root.mkdir(parents=True, exist_ok=True)
    adapters = {one.name: adapter(root / f"adapter-{index}", one, seed) for index, one in enumerate(made)}
    evaluated = [
        evaluation(root / f"answers-{index}", one.skill, seed, images, checkpoint_digest(adapters[one.name]), one.name)
        for index, one in enumerate(made)
    ]
    begun = evaluation(root / "base", base, seed, images)
    order = list(reversed([artifact.path for artifact in evaluated]))
    shuffled = sorted(adapters.values(), key=lambda path: digest_of(path.name))
    return answers.run(begun.path, order, shuffled, [one.method for one in made], seed, root / "comparison")


def adapter(path: Path, made: Made, seed: int, weights: str = "") -> Path:
    """weights: what the weight file holds; by default what no other method and seed has."""
    writer = FolderWriter(path, "adapter", TrainingSettings(seed=seed).to_mapping(), {"pairs": digest_of(made.name)})

    def write(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_bytes((weights or f"{made.name} {seed}").encode())
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "m"}))

    writer.finish(write, {**made.training, "method": made.name})
    return path


def evaluation(
    path: Path,
    skill: Skill,
    seed: int,
    images: int,
    weights: str = "",
    name: str = "",
    *,
    benchmarks: Sequence[str] = ("chair", *(f"pope_{split}" for split in SPLITS)),
    protocol: Mapping[str, Any] = PROTOCOL,
    model: str = "m",
) -> Artifact:
    """An `answers` artifact whose identity names the adapter by `weights`. Images are as hard for all."""
    rng = random.Random(f"{name} {seed}")
    shift = rng.gauss(0.0, skill.varies)
    rows = [
        row
        for benchmark in benchmarks
        for index in range(images)
        for row in (
            [_caption(index, skill, shift, rng)]
            if benchmark == "chair"
            else _yes_no(benchmark, index, skill, shift, rng)
        )
    ]
    settings = EvaluationSettings(benchmarks=dict.fromkeys(benchmarks, "file"), bootstrap_resamples=20)
    identity = {
        "model": digest_of(model),
        "adapter": weights,
        "prompt_template": "{question}",
        "protocol": dict(protocol),
    }
    writer = ArtifactWriter(path, "answers", settings.to_mapping(), {"model": digest_of(model), "adapter": weights})
    writer.write_part(0, rows)
    results = results_of(answers_by_benchmark(rows), Resampling(20))
    return writer.finish(len(rows), results=lambda _: results | {"identity": identity, "questions_per_second": 9.0})


def _truth(index: int) -> list[str]:
    return sorted(random.Random(f"truth {index}").sample(THINGS, 4))


def _hard(index: int) -> float:
    return random.Random(f"hard {index}").gauss(0.0, 0.15)


def _caption(index: int, skill: Skill, shift: float, rng: random.Random) -> Row:
    truth = _truth(index)
    named = [thing for thing in truth if rng.random() < skill.covers] or truth[:1]
    if rng.random() < skill.invents + shift + _hard(index):
        named.append(rng.choice([thing for thing in THINGS if thing not in truth]))
    question = Question("chair", f"c{index}", f"{index:04d}.png", "Describe the picture.", truth, "caption")
    one = Answered(question, f"There is a {', a '.join(named)}.", json.dumps(named))
    return row_of(one, digest_of(index), set(named) <= set(truth))


def _yes_no(benchmark: str, index: int, skill: Skill, shift: float, rng: random.Random) -> list[Row]:
    rows = []
    asked = benchmark_named(benchmark)
    for number, truth in enumerate(("yes", "no", "yes", "no")):
        text = f"Is there a {THINGS[number]} in the picture?"
        question = Question(benchmark, f"{index}-{number}", f"{index:04d}.png", text, truth, "yes_no")
        wrong = rng.random() < skill.wrong + shift + _hard(index) / 2
        said = skill.always or (truth if not wrong else "no" if truth == "yes" else "yes")
        one = Answered(question, said, said)
        rows.append(row_of(one, digest_of(index), asked.correct(one)))
    return rows
