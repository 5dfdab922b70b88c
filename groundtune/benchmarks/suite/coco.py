"""COCO's published annotations: which classes and which captions an image has."""

from collections.abc import Set
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from groundtune.benchmarks.question_files import QuestionFiles
from groundtune.errors import SettingError


@dataclass(frozen=True)
class CocoImage:
    """file: its name in COCO. classes: names of its instances. captions: those that people wrote."""

    file: str
    classes: set[str] = field(default_factory=set)
    captions: list[str] = field(default_factory=list)


def read_coco(files: QuestionFiles, wanted: Set[int]) -> dict[int, CocoImage]:
    """The wanted images, by COCO's number, out of every `instances_*.json` and `captions_*.json` of the folder.

    The files of a whole split take gigabytes of memory; only those that hold wanted images are needed. Raises
    SettingError when neither kind is there or one is no file of COCO annotations.
    """
    images: dict[int, CocoImage] = {}
    for name in _matching(files, "instances_*.json"):
        table = _table(files, name, "images", "annotations", "categories")
        names = {category["id"]: category["name"] for category in table["categories"]}
        for image in table["images"]:
            if image["id"] in wanted:
                images.setdefault(image["id"], CocoImage(image["file_name"]))
        for annotation in table["annotations"]:
            if annotation["image_id"] in images:
                name_of_class = names.get(annotation.get("category_id"))
                if name_of_class is None:
                    raise _not_coco(files, name, f"a category_id out of categories; found {annotation}")
                images[annotation["image_id"]].classes.add(name_of_class)
    for name in _matching(files, "captions_*.json"):
        for annotation in _table(files, name, "annotations")["annotations"]:
            if annotation["image_id"] in images:
                if not isinstance(annotation.get("caption"), str):
                    raise _not_coco(files, name, f"a caption, a text; found {annotation}")
                images[annotation["image_id"]].captions.append(annotation["caption"])
    return images


def _matching(files: QuestionFiles, pattern: str) -> list[str]:
    found = [name for name in files.names() if fnmatch(name.rpartition("/")[2], pattern)]
    if not found:
        raise SettingError("benchmarks", files.uri, f"a folder that holds {pattern}, COCO's annotations")
    return found


def _table(files: QuestionFiles, name: str, *lists: str) -> dict[str, Any]:
    table = files.json(name)
    if not isinstance(table, dict) or not all(isinstance(table.get(key), list) for key in lists):
        raise _not_coco(files, name, f"an object with {', '.join(lists)}")
    for key in lists:
        for number, entry in enumerate(table[key], 1):
            for field_name, kind in _FIELDS[key]:
                if not isinstance(entry, dict) or not isinstance(entry.get(field_name), kind):
                    raise _not_coco(files, name, f"{key} number {number} with {field_name!r}, a {kind.__name__}")
    return table


_FIELDS: dict[str, tuple[tuple[str, type], ...]] = {
    "images": (("id", int), ("file_name", str)),
    "categories": (("id", int), ("name", str)),
    "annotations": (("image_id", int),),
}


def _not_coco(files: QuestionFiles, name: str, expected: str) -> SettingError:
    return SettingError("benchmarks", files.place(name), f"COCO annotations: {expected}")
