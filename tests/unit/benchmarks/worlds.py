"""A small folder of question files and images, for the tests of this room."""

import json
from pathlib import Path

from PIL import Image

SETTINGS = {
    "benchmarks": {"pope_random": "pope.jsonl", "pope_popular": "popular.jsonl", "chair": "chair.jsonl"},
    "vocabulary": "vocabulary.json",
    "max_new_tokens": 12,
    "max_yes_no_tokens": 4,
    "bootstrap_resamples": 50,
    "questions_per_part": 5,
    "questions_per_batch": 3,
}
KINDS = ("dog", "cat", "cup")


def write_world(root: Path, images: int = 4) -> Path:
    """`images` pictures with three POPE questions (bare names) in each of two splits, and a caption question."""
    (root / "images").mkdir(parents=True)
    pope, popular, chair = [], [], []
    for i in range(images):
        name = f"{i}.png"
        Image.new("RGB", (28 + 8 * (i % 3), 28), (40 * i % 256, 255 - 30 * i % 256, 90)).save(root / "images" / name)
        present = KINDS[i % 3]
        for j, kind in enumerate(KINDS):
            label = "yes" if kind == present else "no"
            text = f"Is there a {kind} in the image?"
            pope.append({"question_id": 3 * i + j, "image": name, "text": text, "label": label})
            text = f"Can you see one or more than one {kind} here?"
            popular.append({"question_id": 3 * i + j, "image": name, "text": text, "label": label})
        chair.append(
            {
                "id": f"c{i}",
                "image": f"images/{name}",
                "instruction": "Describe this image.",
                "objects": [present],
            }
        )
    for file, rows in (("pope.jsonl", pope), ("popular.jsonl", popular), ("chair.jsonl", chair)):
        (root / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "vocabulary.json").write_text(json.dumps({kind: [] for kind in KINDS}))
    return root
