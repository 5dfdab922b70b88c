"""Cards of image preferences: the picture with the keywords' boxes, its corrupted copy, the answer, its keywords."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from groundtune.artifacts import Row
from groundtune.images import ImageStore
from groundtune.report.corrupted_pairs import CorruptedPair
from groundtune.report.marked_text import Piece, mark_keywords
from groundtune.report.pictures import Picture, picture_of
from groundtune.report.wording import decimal, fallback

SIZE = 8
WHOLE = 2  # of them destroyed whole, when there are that many


@dataclass(frozen=True)
class Box:
    """A keyword's box and its label on the picture, in percent of the picture's size.

    label: offsets of the label's corner, e.g. {"left": 3.0, "bottom": 40.0}.
    """

    left: float
    top: float
    width: float
    height: float
    label: dict[str, float]


@dataclass(frozen=True)
class Word:
    """A keyword as it is shown. box: None when it was not found."""

    number: int
    phrase: str
    weight: float
    score: float
    found: bool
    box: Box | None


@dataclass(frozen=True)
class ImageCard:
    """One pair with its corrupted image, ready to be shown. why: the reason for destroying the whole image, or ""."""

    one: CorruptedPair
    instruction: str
    picture: Picture
    corrupted: Picture
    words: list[Word]
    chosen: list[Piece]
    why: str


def cards_of(
    found: Sequence[CorruptedPair], prompts: dict[str, Row], store: ImageStore, least_score: float | None
) -> list[ImageCard]:
    """store: of the prompts' pictures. least_score: from which a keyword counts as found, None when unknown."""
    return [_card(one, prompts.get(one.pair["prompt_id"]), store, least_score) for one in sample(found)]


def sample(found: Sequence[CorruptedPair], size: int = SIZE) -> list[CorruptedPair]:
    """Drawn by a hash of the pair's id; those destroyed whole come last, their reasons in turn. The same pairs in any
    order give the same sample."""
    ranked = sorted(found, key=lambda one: hashlib.sha256(one.pair["pair_id"].encode()).hexdigest())
    regions = [one for one in ranked if not one.image["fallback"]]
    reasons: dict[str, list[CorruptedPair]] = {}
    for one in sorted(ranked, key=lambda one: str(one.image["fallback"])):
        if one.image["fallback"]:
            reasons.setdefault(one.image["fallback"], []).append(one)
    whole = [one for turn in zip_longest(*reasons.values()) for one in turn if one is not None]
    kept = min(len(whole), max(WHOLE, size - len(regions)))
    return [*regions[: size - kept], *whole[:kept]]


def _card(one: CorruptedPair, prompt: Row | None, store: ImageStore, least_score: float | None) -> ImageCard:
    if prompt is None:
        picture = Picture("", 320, 240, problem="the prompt is not in the prompts artifact")
    else:
        picture = picture_of(store, prompt["id"], prompt["image"], prompt["image_sha256"])
    size = (prompt["image_width"], prompt["image_height"]) if prompt else (0, 0)
    keywords = one.image["keywords"]
    boxes = boxes_of(keywords, size, picture)
    why = ""
    if one.image["fallback"]:
        needed = f" (a score of {decimal(least_score)} was needed)" if least_score is not None else ""
        why = fallback(one.image["fallback"]) + (needed if one.image["fallback"] == "not_found" else "")
    return ImageCard(
        one,
        prompt["instruction"] if prompt else "",
        picture,
        picture_of(one.store, one.pair["pair_id"], one.image["corrupted"], one.image["corrupted_sha256"]),
        [
            Word(number, word["phrase"], word["weight"], word["score"], word["found"], box)
            for number, (word, box) in enumerate(zip(keywords, boxes, strict=True), 1)
        ],
        mark_keywords(one.pair["chosen"], [word["phrase"] for word in keywords]),
        why,
    )


def boxes_of(keywords: Sequence[Row], size: tuple[int, int], picture: Picture) -> list[Box | None]:
    """Boxes of the found keywords; a label stands in a corner of its box where it hides no other label, if it can.

    size: width and height that the boxes' pixels count in; (0, 0) when unknown, and then there are no boxes.
    """
    taken: list[tuple[float, float, float, float]] = []
    boxes: list[Box | None] = []
    for word in keywords:
        if not word["found"] or len(word["box"]) != 4 or not all(size) or not picture.uri:
            boxes.append(None)
            continue
        left, right = (100 * word["box"][side] / size[0] for side in (0, 2))
        top, bottom = (100 * word["box"][side] / size[1] for side in (1, 3))
        # Letters have a fixed size: how much of the picture a label takes follows from the size it is shown at.
        width = 100 * (24 + 6.6 * len(word["phrase"])) / picture.width
        height = 100 * 20 / picture.height
        corners = [
            ({"left": left, "top": top}, left, top),
            ({"left": left, "bottom": 100 - bottom}, left, bottom - height),
            ({"right": 100 - right, "top": top}, right - width, top),
            ({"right": 100 - right, "bottom": 100 - bottom}, right - width, bottom - height),
            ({"left": left, "top": top + height}, left, top + height),
        ]
        free = [
            (label, x, y)
            for label, x, y in corners
            if x >= 0 and y >= 0 and x + width <= 100 and y + height <= 100 and not _hides(taken, x, y, width, height)
        ]
        label, x, y = (free or corners)[0]
        taken.append((x, y, width, height))
        boxes.append(Box(left, top, right - left, bottom - top, label))
    return boxes


def _hides(taken: Sequence[tuple[float, float, float, float]], x: float, y: float, width: float, height: float) -> bool:
    return any(x < a + c and a < x + width and y < b + d and b < y + height for a, b, c, d in taken)
