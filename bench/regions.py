"""Does the finder find what is there, where it is, and nothing else? Held-out demo scenes, exact truth.

    python -m bench.regions

Writes bench/results/regions.json. The finder's constants were set on the `prompts` scenes; the figures are of
`validation` scenes. Truth is used for evaluation only.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from bench.machine import describe
from groundtune.demo.claims import absent_companions, absent_kinds
from groundtune.demo.clip_measures import auc
from groundtune.demo.draw import IMAGE_SIZE, box, render
from groundtune.demo.world import COLOURS, Entity, Scene, scenes
from groundtune.preferences.image_preference.regions.finder import Mask, Region
from groundtune.preferences.image_preference.regions.patch_similarity import PatchSimilarityFinder
from groundtune.settings.image_preference import ImagePreferenceSettings

OUT = Path("bench/results/regions.json")
CHECKPOINT = Path("groundtune/demo/checkpoints/clip")
ABSENT_A_SCENE = 4


@dataclass(frozen=True)
class Asked:
    """A phrase put to the finder. group: there, absent (no such kind) or other_colour (the kind in another colour)."""

    phrase: str
    group: str
    coloured: bool
    entity: Entity | None = None


def questions(scene: Scene, rng: random.Random) -> list[Asked]:
    """Every kind that is there, with and without its colour; its near misses; absent kinds, the expected ones first."""
    asked = []
    for entity in scene.entities:
        wrong = rng.choice([colour for colour in COLOURS if colour != entity.colour])
        asked.append(Asked(entity.kind, "there", False, entity))
        asked.append(Asked(f"{entity.colour} {entity.kind}", "there", True, entity))
        asked.append(Asked(f"{wrong} {entity.kind}", "other_colour", True))
    absent = absent_kinds(scene)
    rng.shuffle(absent)
    for kind in list(dict.fromkeys([*absent_companions(scene)[:2], *absent]))[:ABSENT_A_SCENE]:
        asked.append(Asked(kind, "absent", False))
        asked.append(Asked(f"{rng.choice(COLOURS)} {kind}", "absent", True))
    return asked


def boxes(entity: Entity, scene: Scene) -> Mask:
    """The union of the boxes of an entity's sprites, [H, W]."""
    truth = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.bool_)
    for placement in entity.placements:
        left, top, right, bottom = box(placement)
        truth[top:bottom, left:right] = True
    return truth


def sprites(entity: Entity, scene: Scene) -> Mask:
    """The pixels that an entity itself changes, [H, W]."""
    drawn, empty = render(Scene((entity,), scene.background)), render(Scene((), scene.background))
    return np.asarray(ImageChops.difference(drawn, empty)).any(-1)


def share(answers: Iterable[bool]) -> float:
    return float(np.mean(list(answers)))


def overlap(found: list[tuple[Asked, Region, Scene]], truth: Callable[[Entity, Scene], Mask]) -> dict[str, float]:
    """Means over phrases of precision, recall and intersection over union of region pixels."""
    rows = []
    for asked, region, scene in found:
        assert asked.entity is not None
        true = truth(asked.entity, scene)
        both = (region.mask & true).sum()
        rows.append((both / region.mask.sum(), both / true.sum(), both / (region.mask | true).sum()))
    return dict(zip(("precision", "recall", "iou"), np.mean(rows, axis=0).tolist(), strict=True))


def measure(finder: PatchSimilarityFinder, count: int, split: str, settings: ImagePreferenceSettings) -> dict[str, Any]:
    """All figures for one finder over the first `count` scenes of a split."""
    rng = random.Random(f"bench/regions/{split}")
    drawn = list(scenes(0, split, count))
    asked = [questions(scene, rng) for scene in drawn]
    images: list[Image.Image] = [render(scene) for scene in drawn]
    started = time.perf_counter()
    answers = finder.find(images, [[one.phrase for one in row] for row in asked])
    seconds = time.perf_counter() - started
    rows = [
        (one, region, scene)
        for scene, ones, regions in zip(drawn, asked, answers, strict=True)
        for one, region in zip(ones, regions, strict=True)
    ]

    def is_found(region: Region) -> bool:
        covers = float(region.mask.mean())
        return region.score >= settings.least_score and 0 < covers <= settings.largest_region

    def scores(group: str, coloured: bool) -> np.ndarray:
        return np.array([r.score for one, r, _ in rows if (one.group, one.coloured) == (group, coloured)])

    def found_share(group: str, coloured: bool) -> float:
        return share(is_found(r) for one, r, _ in rows if (one.group, one.coloured) == (group, coloured))

    figures: dict[str, Any] = {"scenes": count, "split": split, "milliseconds_a_scene": 1000 * seconds / count}
    for name, coloured in (("kind", False), ("kind with colour", True)):
        there = [row for row in rows if row[0].group == "there" and row[0].coloured is coloured and is_found(row[1])]
        figures[name] = {
            "phrases_there": len(scores("there", coloured)),
            "phrases_absent": len(scores("absent", coloured)),
            "boxes": overlap(there, boxes),
            "sprites": overlap(there, sprites),
            "not_found": 1 - found_share("there", coloured),
            "absent_found": found_share("absent", coloured),
            "auc": auc(scores("there", coloured), scores("absent", coloured)),
        }
    figures["kind with colour"]["other_colour_found"] = found_share("other_colour", True)
    # a pair falls back when none of its keywords is found; a scene has at most four kinds, so four keywords at most
    per_scene = [
        [is_found(region) for one, region in zip(ones, regions, strict=True) if one.group == "there" and one.coloured][
            : settings.keywords_per_answer
        ]
        for ones, regions in zip(asked, answers, strict=True)
    ]
    figures["whole_image_share"] = share(not any(found) for found in per_scene)
    figures["some_keyword_missing_share"] = share(not all(found) for found in per_scene)
    return figures


def summarise(figures: dict[str, Any]) -> dict[str, bool]:
    """What the project asks of the demo's finder."""
    both = [figures["kind"], figures["kind with colour"]]
    return {
        "box precision above .7": all(one["boxes"]["precision"] > 0.7 for one in both),
        "box recall above .7": all(one["boxes"]["recall"] > 0.7 for one in both),
        "under 15 % of true keywords not found": all(one["not_found"] < 0.15 for one in both),
        "under 15 % of absent phrases found": all(one["absent_found"] < 0.15 for one in both),
        "under 15 % whole images": figures["whole_image_share"] < 0.15,
    }


def main() -> None:
    defaults = ImagePreferenceSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--least-score", type=float, default=defaults.least_score)
    parser.add_argument("--mask-threshold", type=float, default=defaults.mask_threshold)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    settings = ImagePreferenceSettings(least_score=given.least_score, mask_threshold=given.mask_threshold)
    figures = {}
    for kind in ("output", "value"):
        finder = PatchSimilarityFinder(
            given.checkpoint,
            mask_threshold=settings.mask_threshold,
            patch_features=kind,
            template=settings.phrase_template,
        )
        figures[kind] = measure(finder, given.scenes, given.split, settings)
    result = {
        "asked": summarise(figures["output"]),
        "patch_features": figures,
        "least_score": settings.least_score,
        "mask_threshold": settings.mask_threshold,
        "checkpoint": str(given.checkpoint),
        "machine": describe(" ".join(["python", "-m", "bench.regions", *sys.argv[1:]])),
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("asked", "patch_features")}, indent=1))
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
