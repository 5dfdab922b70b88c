"""Which captions are of which of COCO's objects. Words only: the photographs come from the user's folder."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class CutoutKind:
    """word: what the world calls it, one of COCO's words for `coco`. captions: phrases that tell its photographs."""

    word: str
    coco: str
    group: str
    captions: tuple[str, ...]


def _kind(group: str, word: str, *captions: str, coco: str = "") -> CutoutKind:
    return CutoutKind(word, coco or word, group, captions or (word,))


# Within a group each kind calls the next one to mind. Sheep and cows are those of the synonym table without the goat,
# and birds those that a biologist calls so: a photograph shows what its word means, whatever else a table may allow.
KINDS: tuple[CutoutKind, ...] = (
    _kind("farm", "cow", "cow", "bull", "bison", "zebu", "ox"),
    _kind("farm", "sheep", "sheep", "ram", "lamb"),
    _kind("farm", "horse", "horse", "pony", "foal"),
    _kind("farm", "dog", "dog", "dingo", "puppy"),
    _kind("wild", "elephant"),
    _kind("wild", "giraffe"),
    _kind("wild", "zebra"),
    _kind("wild", "bear", "bear", "bears"),
    _kind("food", "apple"),
    _kind("food", "banana"),
    _kind("food", "orange"),
    _kind("food", "carrot"),
    _kind("food", "broccoli"),
    _kind("street", "car", "car", "sedan", "vw beetle"),
    _kind("street", "truck", "truck"),
    _kind("street", "bus", "bus"),
    _kind("street", "stoplight", "red light", "yellow light", "green light", "traffic light", coco="traffic light"),
    _kind("street", "bicycle", "bicycle", "bike", "tricycle"),
    _kind("away", "plane", "airplane", "plane", "f 22 raptor", coco="airplane"),
    _kind("away", "boat", "boat", "sailboat", "sailing ship", "canoe"),
    _kind(
        "away", "bird", "bird", "blackbird", "bluebird", "cockatoo", "crow", "crowned crane", "cuckoo", "drake", "duck",
        "flamingo", "gander", "goose", "guinea fowl", "gull", "hen", "chicken", "heron", "lark", "lorikeet", "magpie",
        "ostrich", "owl", "parrot", "peahen", "peacock", "pelican", "penguin", "pigeon", "quetzal", "rhea", "robin",
        "rooster", "rosella", "seagull", "sparrow", "swan", "toucan", "turkey", "vulture",
    ),
    _kind("play", "ball", "basketball", "soccer ball", "tennis ball", "cricket ball", "football", "volleyball",
          coco="sports ball"),
    _kind("play", "racket", "tennis racket", coco="tennis racket"),
    _kind("play", "person", "person", "man", "woman", "boy", "girl", "fireman", "astronaut"),
)  # fmt: skip
# Words of captions whose picture shows something else, or only a part.
OTHER_THINGS: frozenset[str] = frozenset(
    {"core", "egg", "emblem", "emblems", "goal", "helmet", "house", "roast", "rubber", "sign", "slice", "sliced",
     "teddy", "toy", "wheel"}
)  # fmt: skip
# Folders that hold drawings in collections such as Debian's.
NO_PHOTOGRAPHS: frozenset[str] = frozenset({"cartoon", "toys", "easter", "halloween", "symbols", "seasonal"})


def kind_of_caption(caption: str) -> CutoutKind | None:
    """The kind whose photograph a caption describes; None when it is of none, or names two."""
    words = re.findall(r"[^\W_]+", caption.lower())
    if OTHER_THINGS.intersection(words):
        return None
    text = f" {' '.join(words)} "
    found = [kind for kind in KINDS if any(f" {phrase} " in text for phrase in kind.captions)]
    return found[0] if len(found) == 1 else None
