"""Runs to report on: artifacts of the demo world, written by the real writers, with made-up answers."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundtune.artifact_writing import ArtifactWriter, reject
from groundtune.artifacts import Artifact, Row
from groundtune.benchmarks.bootstrap import Resampling
from groundtune.benchmarks.question import Answered, Question, row_of
from groundtune.benchmarks.results import answers_by_benchmark, results_of
from groundtune.benchmarks.suite.pope import official_reading
from groundtune.demo.captions import CAPTION_PROMPTS, caption, true_claims
from groundtune.demo.claims import Claim, corrupt, holds
from groundtune.demo.draw import render
from groundtune.demo.language import mentions, sentence
from groundtune.demo.world import KINDS, Scene, scenes
from groundtune.digests import canonical_json, digest_file, digest_of
from groundtune.folder_artifacts import FolderWriter
from groundtune.preferences import selection
from groundtune.report import page
from groundtune.report.outcome import outcome_of
from groundtune.report.run_artifacts import RunPaths, open_run
from groundtune.settings import (
    AlignmentScoreSettings,
    EvaluationSettings,
    PrepareSettings,
    SamplingSettings,
    SelectionSettings,
    TrainingSettings,
)

SPLITS = ("random", "popular", "adversarial")
PROTOCOL = {
    "inputs": {"benchmark chair": digest_of("chair")},
    "benchmarks": {"chair": {"parser": "chair-rules-1"}, "pope_random": {"parser": "pope-official-1"}},
    "decoding": {"caption": "greedy, at most 96 tokens", "yes_no": "greedy, at most 8 tokens"},
}


@dataclass
class FakeRun:
    """Where all artifacts of one run are. scenes: of the prompts, in their order."""

    root: Path
    paths: RunPaths
    scenes: list[Scene]

    @property
    def images_root(self) -> str:
        return str(self.root / "images")

    def having(self, **paths: Any) -> "FakeRun":
        """The same run with other artifacts in the place of its own."""
        return replace(self, paths=replace(self.paths, **paths))

    def page(self, title: str = "", gallery: int = 24) -> str:
        """The rendered page."""
        opened = open_run(self.paths)
        return page.render(opened, outcome_of(opened), self.images_root, self.images_root, title, gallery)


def build(
    root: Path,
    *,
    prompts: int = 40,
    questions: int = 30,
    margin: float = 0.1,
    steps: int = 40,
    invention: tuple[float, float] = (0.7, 0.1),
    drift: float = 0.6,
    alter: Callable[[str], str] = str,
    stages: int = 1,
    images: bool = False,
) -> FakeRun:
    """A whole run. invention: share of false sentences of the base and the aligned model's answers. drift: where the
    chosen reward ends. alter: applied to every text that a model wrote. steps: 0 leaves out the training log. stages:
    of the curriculum. images: the training log is one with image preferences (image_runs.py adds their artifacts)."""
    rng = random.Random(7)
    drawn = list(scenes(1, "prompts", prompts + 2))
    (root / "images").mkdir(parents=True)
    for index, scene in enumerate(drawn):
        render(scene).save(root / "images" / f"{index:04d}.png")
    source = _prompts(root, drawn[:prompts])
    shards = _candidates(root, source, drawn, rng, alter)
    scores = _scores(root, shards, drawn, rng)
    pairs = selection.run(scores.path, root / "pairs", SelectionSettings(margin=margin, curriculum_stages=stages))
    log = [training_record(step, steps, drift, rng) for step in range(1, steps + 1)]
    if images:
        log = [with_images(record, stages, steps) for record in log]
    _adapter(root, pairs, log)
    paths = RunPaths(
        prompts=source.path,
        candidates=[shard.path for shard in shards],
        scores=scores.path,
        pairs=pairs.path,
        adapter=root / "adapter",
        base_answers=_answers(root, "base", questions, invention[0], alter),
        aligned_answers=_answers(root, "aligned", questions, invention[1], alter),
    )
    return FakeRun(root, paths, drawn[:prompts])


def _prompts(root: Path, drawn: list[Scene]) -> Artifact:
    writer = ArtifactWriter(
        root / "prompts",
        "prompts",
        PrepareSettings().to_mapping(),
        {"prompts": digest_of("file"), "model": digest_of("m")},
    )
    rows = [
        {
            "id": f"scene-{index:04d}",
            "image": f"{index:04d}.png",
            "image_sha256": digest_file(root / "images" / f"{index:04d}.png"),
            "image_width": 144,
            "image_height": 144,
            "instruction": CAPTION_PROMPTS[index % len(CAPTION_PROMPTS)],
            "reference_answer": "",
            "tags": [],
        }
        for index in range(len(drawn))
    ]
    writer.write_part(0, rows, [reject("scene-x", "image", "gone"), reject("scene-y", "instruction", "is empty")])
    return writer.finish(len(rows) + 2)


def _candidates(
    root: Path, prompts: Artifact, drawn: list[Scene], rng: random.Random, alter: Callable[[str], str]
) -> list[Artifact]:
    rows = list(prompts.rows())
    settings, parents = SamplingSettings().to_mapping(), {"prompts": prompts.digest, "model": digest_of("m")}
    shards = []
    for index in range(2):
        part = rows[len(rows) * index // 2 : len(rows) * (index + 1) // 2]
        writer = ArtifactWriter(root / f"candidates-{index}", "candidates", settings, parents, shard=(index, 2))
        made: list[Row] = []
        for prompt in part:
            scene = drawn[int(prompt["id"][-4:])]
            texts = list(dict.fromkeys(answer_about(scene, 0.35, rng) for _ in range(rng.randint(2, 6))))
            votes = [1] * len(texts)
            for _ in range(8 - len(texts)):
                votes[rng.randrange(len(texts))] += 1
            made += [
                {
                    "prompt_id": prompt["id"],
                    "candidate_id": f"{prompt['id']}#{k}",
                    "text": alter(text),
                    "token_ids": [5, 6, 2],
                    "finished": True,
                    "multiplicity": vote,
                    "engine": "transformers",
                }
                for k, (text, vote) in enumerate(zip(texts, votes, strict=True))
            ]
        writer.write_part(0, made)
        shards.append(writer.finish(len(part), unit="prompt_id"))
    return shards


def answer_about(scene: Scene, invention: float, rng: random.Random) -> str:
    """A caption in which each sentence is false with this probability."""
    claims = [corrupt(claim, scene, rng) if rng.random() < invention else claim for claim in true_claims(scene)]
    return caption(list(dict.fromkeys(claims)), 0)


def _scores(root: Path, shards: list[Artifact], drawn: list[Scene], rng: random.Random) -> Artifact:
    rows = []
    for answer in (row for shard in shards for row in shard.rows()):
        scene = drawn[int(answer["prompt_id"][-4:])]
        true = {sentence(claim) for claim in true_claims(scene)}
        said = [piece.strip() + "." for piece in answer["text"].split(".") if piece.strip()]
        marks = [min(max(rng.gauss(0.82 if one in true else 0.25, 0.09), 0.01), 0.99) for one in said] or [0.1]
        rows.append(
            {
                "prompt_id": answer["prompt_id"],
                "candidate_id": answer["candidate_id"],
                "text": answer["text"],
                "token_ids": answer["token_ids"],
                "multiplicity": answer["multiplicity"],
                "finished": answer["finished"],
                "mas": 0.5 * sum(marks) / len(marks) + 0.5 * min(marks),
                "scorers": {"contrastive": 0.5},
                "worst_sentence": said[marks.index(min(marks))] if said else "",
                "confidence": -abs(rng.gauss(0.34, 0.16)) - 0.02,
                "pool_entropy": 0.0,
            }
        )
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["prompt_id"]] = sizes.get(row["prompt_id"], 0) + 1
    for row in rows:
        row["pool_entropy"] = math.log(sizes[row["prompt_id"]]) * 0.8
    writer = ArtifactWriter(
        root / "scores", "scores", AlignmentScoreSettings().to_mapping(), {"candidates": digest_of("joined")}
    )
    writer.write_part(0, rows)
    return writer.finish(len(rows))


def _adapter(root: Path, pairs: Artifact, log: list[dict[str, float]]) -> None:
    settings = TrainingSettings(epochs=2, pairs_per_step=16, learning_rate=5e-4, lora_rank=16).to_mapping()
    writer = FolderWriter(root / "adapter", "adapter", settings, {"pairs": pairs.digest, "model": digest_of("m")})

    def write(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "models/demo-llava"}))
        if log:
            (folder / "training_log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in log))

    writer.finish(write, {"pairs": len(pairs), "steps": len(log)})


def training_record(step: int, steps: int, drift: float, rng: random.Random) -> dict[str, float]:
    """One line of training_log.jsonl."""
    done = 1 - math.exp(-3 * step / steps)
    chosen, rejected = drift * done + rng.gauss(0, 0.12), -2.4 * done + rng.gauss(0, 0.2)
    margin = chosen - rejected
    text, anchor = math.log1p(math.exp(-margin)), math.log1p(math.exp(-chosen))
    return {
        "step": step, "epoch": 2 * step / steps, "loss": text + anchor, "dpo_loss": text, "anchor_loss": anchor,
        "reward_chosen": chosen, "reward_rejected": rejected, "reward_margin": margin,
        "accuracy": min(1.0, 0.5 + 0.5 * done + rng.gauss(0, 0.03)), "kl": 0.09 * done + abs(rng.gauss(0, 0.004)),
        "tokens_per_second": 5200 + rng.gauss(0, 80), "grad_norm": 2 - done + abs(rng.gauss(0, 0.2)),
        "learning_rate": 5e-4 * min(1.0, step / max(1, 0.1 * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    }  # fmt: skip


def with_images(record: dict[str, float], stages: int, steps: int) -> dict[str, float]:
    """The record as training with image preferences in a curriculum writes it."""
    gap = 3 * (1 - math.exp(-3 * record["step"] / steps))
    return {
        **record, "curriculum_stage": 1 + int((record["step"] - 1) * stages // steps), "reward_image_gap": gap,
        "reward_corrupted": record["reward_chosen"] - gap, "image_loss": math.log1p(math.exp(-gap)),
    }  # fmt: skip


def _answers(root: Path, model: str, count: int, invention: float, alter: Callable[[str], str]) -> Path:
    rng = random.Random(f"{model} {invention}")
    rows: list[Row] = []
    for index, scene in enumerate(scenes(2, "eval", count)):
        image = f"eval-{index:04d}.png"
        if not (root / "images" / image).exists():
            render(scene).save(root / "images" / image)
        rows += [
            _description(index, image, scene, invention, rng, alter),
            *_existence(index, image, scene, invention, rng),
        ]
    rows = [{**row, "image_sha256": digest_file(root / "images" / row["image"])} for row in rows]
    rows.sort(key=lambda row: row["benchmark"])
    settings = EvaluationSettings(
        bootstrap_resamples=200, benchmarks={"chair": "chair.jsonl", "pope_random": "p.jsonl"}
    )
    parents = {"model": digest_of("m"), "adapter": "" if model == "base" else digest_of("adapter")}
    writer = ArtifactWriter(root / f"{model}_answers", "answers", settings.to_mapping(), parents)
    writer.write_part(0, rows)
    identity = {**parents, "prompt_template": "USER: <image>\n{question} ASSISTANT:", "protocol": PROTOCOL}
    artifact = writer.finish(
        len(rows),
        results=lambda made: {
            **results_of(answers_by_benchmark(made.rows()), Resampling(200)),
            "identity": identity,
        },
    )
    return artifact.path


def _description(
    index: int, image: str, scene: Scene, invention: float, rng: random.Random, alter: Callable[[str], str]
) -> Row:
    claims = true_claims(scene)
    if rng.random() < invention:
        absent = [kind for kind in KINDS if kind not in scene.kinds]
        claims.insert(rng.randrange(len(claims) + 1), Claim(rng.choice(absent), "blue", 1, rng.randrange(9)))
    if rng.random() < 0.15:
        claims.pop(rng.randrange(len(claims)))
    text = alter(caption(claims, 0))
    named = [mention.kind for mention in mentions(text)]
    question = Question("chair", f"eval-{index}", image, CAPTION_PROMPTS[0], sorted(scene.kinds), "caption")
    return row_of(Answered(question, text, canonical_json(named)), "0" * 64, set(named) <= set(scene.kinds))


def _existence(index: int, image: str, scene: Scene, invention: float, rng: random.Random) -> list[Row]:
    rows = []
    absent = [kind for kind in KINDS if kind not in scene.kinds]
    split = SPLITS[index % len(SPLITS)]
    for kind in (scene.kinds[index % len(scene.kinds)], absent[index % len(absent)]):
        label = "yes" if holds(Claim(kind), scene) else "no"
        wrong = rng.random() < 0.08 + 0.2 * invention
        answer = {"yes": "No", "no": "Yes"}[label] if wrong else label.capitalize()
        text = f"Is there a {kind} in the image?"
        question = Question(f"pope_{split}", f"{index}-{label}", image, text, label, "yes_no")
        said = official_reading(answer)
        rows.append(row_of(Answered(question, answer, said), "0" * 64, said == label))
    return rows
