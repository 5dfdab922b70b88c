"""A small folder in AMBER's formats, with words made for the hard cases."""

import json
from pathlib import Path

RELATION = {
    "dog": ["puppy", "animal"], "cat": ["animal"], "ship": ["boat"], "boat": [], "road": ["street", "ground"],
    "ground": ["floor"], "grass": ["ground"], "person": ["man", "woman"], "cup": [], "bottle": ["glass"], "tree": [],
    "cloud": [], "TV": ["television"],
}  # fmt: skip
SAFE = ["light", "sign", "floor"]
WORDS = sorted({word for name, words in RELATION.items() for word in (name, *words)} | {*SAFE, "zebra", "house"})
# (truth, hallu): equal objects twice, an associate that is another object as well, nothing likely to be invented.
IMAGES = [
    (["dog", "grass", "road"], ["cat", "person"]),
    (["ship", "ship", "boat"], ["cloud", "bottle", "cup"]),
    (["person", "person", "cup", "dog"], []),
    (["road", "ground"], ["grass", "tree", "TV"]),
    (["cat", "dog"], ["dog"]),
    (["TV"], ["bottle", "cup"]),
]
KINDS = [
    "discriminative-hallucination", "discriminative-attribute-state", "discriminative-attribute-number",
    "discriminative-attribute-action", "discriminative-relation", "relation",
]  # fmt: skip


def write_amber(folder: Path, per_kind: int = 4) -> Path:
    """Six images, a description of each, `per_kind` yes/no questions of each of the six types."""
    folder.mkdir(parents=True, exist_ok=True)
    queries, annotations = [], []
    for number, (truth, hallu) in enumerate(IMAGES, 1):
        queries.append({"id": number, "image": f"AMBER_{number}.jpg", "query": "Describe this image."})
        annotations.append({"id": number, "type": "generative", "truth": truth, "hallu": hallu})
    for index in range(per_kind * len(KINDS)):
        number = len(IMAGES) + 1 + index
        image = f"AMBER_{index % len(IMAGES) + 1}.jpg"
        queries.append({"id": number, "image": image, "query": f"Is this question {number}?"})
        truth = "yes" if index % 3 == 0 else "no"
        annotations.append({"id": number, "type": KINDS[index % len(KINDS)], "truth": truth})
    generative, asked = queries[: len(IMAGES)], queries[len(IMAGES) :]
    for name, value in (
        ("query_all.json", queries), ("query_generative.json", generative), ("query_discriminative.json", asked),
        ("annotations.json", annotations), ("relation.json", RELATION),
    ):  # fmt: skip
        (folder / name).write_text(json.dumps(value))
    (folder / "safe_words.txt").write_text("\n".join(SAFE))
    return folder
