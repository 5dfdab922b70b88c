"""Writes prompts, pictures and benchmarks in the formats that real input has."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.demo.amber_questions import write_amber
from groundtune.demo.captions import CAPTION_PROMPTS
from groundtune.demo.claims import absent_companions, absent_kinds
from groundtune.demo.drawn_world import DRAWN_WORLD
from groundtune.demo.instruction_questions import write_instructions
from groundtune.demo.language import surface_forms
from groundtune.demo.mme_questions import write_mme
from groundtune.demo.picture_world import PictureWorld
from groundtune.demo.questions import kind_question
from groundtune.demo.world import Scene

POPE_SETTINGS: tuple[str, ...] = ("random", "popular", "adversarial")
# POPE asks three questions with yes and three with no; a scene of two kinds has room for two and two.
MOST_KINDS_ASKED = 3


@dataclass(frozen=True)
class Written:
    """Counts of what was written, for the person who asked."""

    prompts: int
    validation: int
    evaluation: int
    pope_questions: int
    mme_questions: int
    amber_questions: int
    instructions: int


def write_demo(out: Path, prompts: int, evaluation: int, seed: int) -> Written:
    """`prompts.jsonl` with its images, and an `eval` and a `validation` split of the same layout.

    The three come from disjoint streams of scenes. The same arguments give the same bytes.
    """
    write_prompts(DRAWN_WORLD, out, prompts, seed)
    asked = {split: _write_drawn_split(out / split, split, evaluation, seed) for split in ("validation", "eval")}
    return Written(prompts, evaluation, evaluation, *asked["eval"])


def write_prompts(world: PictureWorld, out: Path, count: int, seed: int) -> None:
    """`prompts.jsonl` and the pictures that it names, in `images/`."""
    rng = random.Random(f"groundtune-demo/{seed}/prompt-wordings")
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, scene in enumerate(world.scenes(seed, "prompts", count), start=1):
        name = f"demo-{number:06d}"
        world.render(scene).save(images / f"{name}.png")
        rows.append({"id": name, "image": f"images/{name}.png", "instruction": rng.choice(CAPTION_PROMPTS)})
    _write_lines(out / "prompts.jsonl", rows)


def _write_drawn_split(folder: Path, split: str, count: int, seed: int) -> tuple[int, int, int, int]:
    """Pictures and their questions; returns how many of POPE, MME, AMBER and IFT."""
    names, listed, pope = write_objects(DRAWN_WORLD, folder, split, count, seed)
    (folder / "vocabulary.json").write_text(json.dumps(surface_forms(), indent=1) + "\n", encoding="utf-8")
    name = f"groundtune-demo/{seed}/{split}"
    mme = write_mme(folder / "mme", names, listed, name)
    amber = write_amber(folder / "amber", names, listed, name)
    return pope, mme, amber, write_instructions(folder / "instruction_following.jsonl", names)


def write_objects(
    world: PictureWorld, folder: Path, split: str, count: int, seed: int
) -> tuple[list[str], list[Scene], int]:
    """A split's pictures with the questions about objects that any world can ask: `chair.jsonl` and POPE's three files.

    Returns the pictures' names, their scenes and the number of POPE's questions.
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    listed = list(world.scenes(seed, split, count))
    names = [f"{split}-{number:06d}.png" for number in range(1, count + 1)]
    rows = []
    for name, scene in zip(names, listed, strict=True):
        world.render(scene).save(images / name)
        rows.append(
            {
                "id": name.removesuffix(".png"),
                "image": f"images/{name}",
                "instruction": CAPTION_PROMPTS[0],
                "objects": sorted(scene.kinds),
            }
        )
    _write_lines(folder / "chair.jsonl", rows)
    frequency = Counter(kind for scene in listed for kind in scene.kinds)
    pope = 0
    for setting in POPE_SETTINGS:
        rng = random.Random(f"groundtune-demo/{seed}/{split}/pope/{setting}")
        questions = list(_pope(names, listed, _negatives(setting, frequency), rng))
        _write_lines(folder / f"pope_{setting}.jsonl", questions)
        pope += len(questions)
    return names, listed, pope


def _negatives(setting: str, frequency: Counter[str]) -> Callable[[Scene, random.Random], list[str]]:
    """Absent kinds in the order in which a setting asks for them."""

    def ordered(scene: Scene, rng: random.Random) -> list[str]:
        absent = absent_kinds(scene)
        if setting == "popular":
            return sorted(absent, key=lambda kind: (-frequency[kind], kind))
        rng.shuffle(absent)
        if setting == "adversarial":
            expected = absent_companions(scene)
            return expected + [kind for kind in absent if kind not in expected]
        return absent

    return ordered


def _pope(
    names: list[str], listed: list[Scene], negatives: Callable[[Scene, random.Random], list[str]], rng: random.Random
) -> Iterable[dict[str, Any]]:
    """As many kinds that are absent as kinds that are there, picture by picture."""
    number = 0
    for name, scene in zip(names, listed, strict=True):
        present = rng.sample(scene.kinds, min(MOST_KINDS_ASKED, len(scene.kinds)))
        absent = negatives(scene, rng)[: len(present)]
        for there, not_there in zip(present, absent, strict=True):
            for kind, label in ((there, "yes"), (not_there, "no")):
                number += 1
                yield {"question_id": number, "image": name, "text": kind_question(kind), "label": label}


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
