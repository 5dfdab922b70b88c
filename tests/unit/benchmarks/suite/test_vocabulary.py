"""Objects in a caption: two-word names, COCO's special rules, synonyms."""

import json
from pathlib import Path

import pytest

from groundtune.benchmarks.suite.vocabulary import Vocabulary, read_vocabulary
from groundtune.errors import SettingError

TABLE = """person, man, woman, people, child
car, taxi
train, locomotive
airplane, jet
bird, duck
dog, puppy, doggy
bear, panda
tie, bow, bow tie
wine glass
knife, knive
hot dog
chair, seat, stool
toilet, potty
oven, stove, stove top oven
teddy bear
bus
skis, ski
scissors
vase
couch
"""


@pytest.fixture
def coco(tmp_path: Path) -> Vocabulary:
    (tmp_path / "synonyms.txt").write_text(TABLE)
    return read_vocabulary(str(tmp_path / "synonyms.txt"))


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("A man and two women.", ["person", "person"]),
        ("Cars, cars and a TAXI", ["car", "car", "car"]),  # repeats count
        ("Two puppies on a couch, no doggies", ["dog", "couch", "dog"]),
        ("A hot dog beside a dog", ["hot dog", "dog"]),
        ("hot dogs", ["hot dog"]),
        ("It is hot, dog", ["dog"]),  # a comma stands between the two words
        ("a baby bear and an adult bear", ["bear", "bear"]),
        ("a teddy bear", ["teddy bear"]),
        ("a baby duck", ["bird"]),  # not a special name: duck alone is an object
        ("a passenger train and a passenger jet", ["train", "airplane"]),
        ("the train track", []),
        ("a man on a train near the train tracks", ["person", "train"]),
        ("home plate", []),
        ("a bow tie", ["tie"]),  # once, not bow and tie
        ("a toilet seat", ["toilet"]),
        ("the seat of the toilet", ["toilet"]),  # not a chair
        ("a seat", ["chair"]),
        ("two wine glasses and knives", ["wine glass", "knife"]),
        ("one wine glas", ["wine glass"]),
        ("a glass", []),
        ("a stove top oven", ["oven", "oven"]),  # three words are not merged
        ("buses and a bus", ["bus", "bus"]),
        ("skis and scissors", ["skis", "scissors"]),
        ("the man's dog", ["person", "dog"]),
        ("vases", ["vase"]),
        ("children, people, men", ["person", "person", "person"]),
        ("nothing of the kind", []),
        ("", []),
    ],
)
def test_coco_objects_of_a_caption(coco: Vocabulary, text: str, objects: list[str]) -> None:
    assert coco.object_words(text) == objects


def test_a_json_vocabulary_knows_names_of_any_length_and_no_coco_rule(tmp_path: Path) -> None:
    forms = {"cup": ["mug"], "light": ["old traffic light", "Traffic Light"], "seat": [], "toilet": []}
    (tmp_path / "v.json").write_text(json.dumps(forms))
    vocabulary = read_vocabulary(str(tmp_path / "v.json"))
    said = "Mugs, an old traffic light, traffic lights, a toilet seat"
    assert vocabulary.object_words(said) == ["cup", "light", "light", "toilet", "seat"]
    assert vocabulary.object_of("MUG ") == "cup"
    assert vocabulary.object_of("plate") is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("v.json", '{"cup": ["mug"], "glass": ["mug"]}', "'mug'.*one object, not of 'cup' and 'glass'"),
        ("v.json", '{"cup": "mug"}', "list of surface forms for object 'cup'"),
        ("v.json", "{oops", "a JSON object"),
        ("v.json", "{}", "at least one object"),
        ("v.txt", "cup, mug\nglass,, jar\n", "v.txt:2.*names separated by commas"),
        ("v.txt", "", "at least one object"),
    ],
)
def test_a_wrong_vocabulary_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingError, match=message):
        read_vocabulary(str(tmp_path / name))
