"""Pictures in which every thing has its colour, a region finder that knows the colours, and questions about them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from groundtune.digests import digest_of
from groundtune.preferences.image_preference.regions.finder import Region

COLOURS = {"dog": (220, 30, 30), "cat": (30, 30, 220), "cup": (20, 200, 40)}
KINDS = tuple(COLOURS)
EVALUATION = {
    "benchmarks": {"pope_random": "pope.jsonl", "pope_popular": "popular.jsonl", "chair": "chair.jsonl"},
    "vocabulary": "vocabulary.json",
    "max_yes_no_tokens": 4,
}
PROBE = {"questions": 6, "captions": 3, "pairs": 4, "max_new_tokens": 10, "questions_per_batch": 3,
         "bootstrap_resamples": 50}  # fmt: skip
REGIONS = {"tagger": "plain", "pairs_per_batch": 2}


class ColourFinder:
    """Finds a thing where its colour is; `blind` are things that it does not know."""

    name = "colour"

    def __init__(self, blind: Sequence[str] = ()):
        self.known = {kind: colour for kind, colour in COLOURS.items() if kind not in blind}
        self.digest = digest_of(sorted(self.known))

    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        return [
            [self._region(np.asarray(image), phrase) for phrase in own]
            for image, own in zip(images, phrases, strict=True)
        ]

    def _region(self, pixels: np.ndarray, phrase: str) -> Region:
        colour = self.known.get(phrase)
        mask = (pixels == colour).all(-1) if colour else np.zeros(pixels.shape[:2], dtype=bool)
        return Region(phrase, mask, float(mask.any()))


class AnywhereFinder:
    """Finds whatever it is asked for in the left half."""

    name = "anywhere"
    digest = digest_of("left half")

    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        found = []
        for image, own in zip(images, phrases, strict=True):
            mask = np.zeros((image.height, image.width), dtype=bool)
            mask[:, : image.width // 2] = True
            found.append([Region(phrase, mask, 1.0) for phrase in own])
        return found


def draw(kinds: Sequence[str], width: int = 28) -> Image.Image:
    """Things side by side, each a block of 6 x 10 pixels, on a background of its own."""
    image = Image.new("RGB", (width, 28), (240, 220, 160))
    for i, kind in enumerate(kinds):
        image.paste(COLOURS[kind], (2 + 8 * i, 9, 8 + 8 * i, 19))
    return image


def write_scenes(root: Path, images: int = 6) -> Path:
    """`images` pictures of two things each: POPE questions about all three in two splits (bare names), one caption."""
    (root / "images").mkdir(parents=True)
    pope, chair = [], []
    for i in range(images):
        there = [KINDS[i % 3], KINDS[(i + 1) % 3]]
        draw(there, 28 + 4 * (i % 2)).save(root / "images" / f"{i}.png")
        for j, kind in enumerate(KINDS):
            label = "yes" if kind in there else "no"
            text = f"Is there a {kind} in the image?"
            pope.append({"question_id": 3 * i + j, "image": f"{i}.png", "text": text, "label": label})
        asked = {"id": f"c{i}", "image": f"images/{i}.png", "instruction": "Describe this image.", "objects": there}
        chair.append(asked)
    popular = [line | {"question_id": line["question_id"] + 100} for line in pope]
    for file, lines in (("pope.jsonl", pope), ("popular.jsonl", popular), ("chair.jsonl", chair)):
        (root / file).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "vocabulary.json").write_text(json.dumps({kind: [] for kind in KINDS}))
    return root
