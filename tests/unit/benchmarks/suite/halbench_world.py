"""A small folder in Object HalBench's and COCO's formats: four images, two questions about one of them."""

import base64
import io
import json
from pathlib import Path

from PIL import Image

TABLE = """person, man, woman, people, child, children
bicycle, bike
car, taxi
train, locomotive
airplane, jet
bird, duck
cat
dog, puppy
horse
bear, panda
tie, bow, bow tie
wine glass
knife
hot dog
chair, seat, stool
dining table, table, desk
toilet, potty
oven, stove, stove top oven
teddy bear
traffic light, street light, stop light
sports ball, ball
skis, ski
orange
"""
# number -> (classes of its instances, reference captions)
IMAGES = {
    391895: (["person", "bicycle"], ["A man beside his bike.", "A man and a baby bear."]),
    522418: (["dog", "dining table", "dining table"], ["A puppy on a table.", "two dogs"]),
    184613: ([], ["An empty street."]),
    318219: (["toilet", "wine glass"], ["The seat of the toilet."]),
}
TRUTH = {
    391895: ["bear", "bicycle", "person"],
    522418: ["dining table", "dog"],
    184613: [],
    318219: ["toilet", "wine glass"],
}
QUESTION = "Provide a thorough description of the given picture."


def write_halbench(folder: Path) -> Path:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "synonyms_refine.txt").write_text(TABLE)
    names = sorted({name for classes, _ in IMAGES.values() for name in classes} | {"cat"})
    categories = [{"id": 10 + number, "name": name} for number, name in enumerate(names)]
    ids = {category["name"]: category["id"] for category in categories}
    halves = {"train": list(IMAGES)[:1], "val": list(IMAGES)[1:]}
    for split, numbers in halves.items():
        images = [{"id": number, "file_name": _file(number, split)} for number in [*numbers, 7]]
        instances = [
            {"id": 100 * number + at, "image_id": number, "category_id": ids[name]}
            for number in numbers
            for at, name in enumerate(IMAGES[number][0])
        ]
        instances.append({"id": 1, "image_id": 7, "category_id": ids["cat"]})
        captions = [{"image_id": number, "caption": text} for number in numbers for text in IMAGES[number][1]]
        captions.append({"image_id": 7, "caption": "An image that nobody asks about."})
        table = {"images": images, "annotations": instances, "categories": categories}
        _write(folder / "annotations" / f"instances_{split}2014.json", table)
        _write(folder / "annotations" / f"captions_{split}2014.json", {"images": images, "annotations": captions})
    rows = [{"image_id": number, "question": QUESTION, "image": picture(number)} for number in IMAGES]
    rows.append({"image_id": 522418, "question": "What is in the picture?", "image": picture(522418)})
    write_rows(folder, rows)
    return folder


def write_rows(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "obj_halbench_300_with_image.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def picture(number: int) -> str:
    """A tiny PNG in base64."""
    data = io.BytesIO()
    Image.new("RGB", (8, 6), (number % 256, number // 256 % 256, 9)).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def _file(number: int, split: str) -> str:
    return f"COCO_{split}2014_{number:012d}.jpg"


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
