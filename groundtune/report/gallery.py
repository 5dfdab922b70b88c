"""Section "pairs": a deterministic, mixed sample of preference pairs, each with its reason in plain words."""

import hashlib
from dataclasses import dataclass

from groundtune.artifacts import Row
from groundtune.images import ImageStore
from groundtune.report.marked_text import Piece, mark_sentence
from groundtune.report.pictures import Picture, picture_of
from groundtune.report.wording import decimal

BANDS = (
    ("hardest", "Hardest", "wrong by far, and believed"),
    ("median", "In the middle", "the ordinary pair"),
    ("easiest", "Easiest", "the lowest hardness that was still kept"),
)
_CLOSE = 0.05  # nats a token: below it two confidences are as good as equal


@dataclass(frozen=True)
class Card:
    """One pair, ready to be shown."""

    pair: Row
    instruction: str
    picture: Picture
    rejected: list[Piece]
    why: str


@dataclass(frozen=True)
class Band:
    """Cards of about the same hardness."""

    key: str
    name: str
    meaning: str
    cards: list[Card]


def bands_of(pairs: list[Row], prompts: dict[str, Row], store: ImageStore, size: int) -> list[Band]:
    """`size` pairs in three bands of hardness; a band that nothing falls into is left out."""
    return [
        Band(key, name, meaning, [_card(pair, prompts, store) for pair in found])
        for (key, name, meaning), found in zip(BANDS, sample(pairs, size), strict=True)
        if found
    ]


def sample(pairs: list[Row], size: int) -> tuple[list[Row], list[Row], list[Row]]:
    """(hardest, median, easiest), no pair twice. Inside a band the pairs are spread: another prompt and another
    wrong sentence come before a repetition. The same pairs in any order give the same sample.
    """
    ranking = sorted(pairs, key=lambda pair: (-pair["hardness"], pair["pair_id"]))
    size = max(size, 0)
    if len(ranking) <= size:
        third = -(-len(ranking) // 3)
        return ranking[:third], ranking[third : 2 * third], ranking[2 * third :]
    share = [size // 3 + (1 if band < size % 3 else 0) for band in range(3)]
    # Each band is drawn from a window three times its size, so that there is something to choose from.
    window = [min(len(ranking) // 3, 3 * count) for count in share]
    window = [max(a, b) for a, b in zip(window, share, strict=True)]
    middle = max(0, (len(ranking) - window[1]) // 2)
    taken: set[str] = set()
    bands = []
    for candidates, count in zip(
        (ranking[: window[0]], ranking[middle : middle + window[1]], ranking[len(ranking) - window[2] :][::-1]),
        share,
        strict=True,
    ):
        bands.append(_spread([pair for pair in candidates if pair["pair_id"] not in taken], count))
        taken |= {pair["pair_id"] for pair in bands[-1]}
    return bands[0], bands[1], bands[2]


def _spread(candidates: list[Row], count: int) -> list[Row]:
    """`count` pairs in the order of `candidates`, those that repeat a prompt or a wrong sentence only at need."""
    fresh: list[Row] = []
    repeated: list[Row] = []
    seen: set[str] = set()
    for pair in candidates:
        marks = {f"prompt {pair['prompt_id']}", f"sentence {_outline(pair)}"}
        (repeated if seen & marks else fresh).append(pair)
        seen |= marks
    kept = {pair["pair_id"] for pair in (fresh + repeated)[:count]}
    return [pair for pair in candidates if pair["pair_id"] in kept]


def _outline(pair: Row) -> str:
    words = " ".join(pair["worst_sentence"].lower().split()) or pair["rejected"]
    return hashlib.sha256(words.encode()).hexdigest()


def _card(pair: Row, prompts: dict[str, Row], store: ImageStore) -> Card:
    prompt = prompts.get(pair["prompt_id"])
    if prompt is None:
        picture = Picture("", 320, 240, problem="the prompt is not in the prompts artifact")
        return Card(pair, "", picture, mark_sentence(pair["rejected"], pair["worst_sentence"]), why(pair))
    picture = picture_of(store, prompt["id"], prompt["image"], prompt["image_sha256"])
    return Card(
        pair, prompt["instruction"], picture, mark_sentence(pair["rejected"], pair["worst_sentence"]), why(pair)
    )


def why(pair: Row) -> str:
    """One sentence: what the model believes, what does not fit, and the numbers that say so."""
    chosen, rejected = pair["chosen_confidence"], pair["rejected_confidence"]
    numbers = f"({decimal(rejected)} against {decimal(chosen)} nats a token)"
    if rejected > chosen + _CLOSE:
        belief = f"the model believes it more than the chosen answer {numbers}"
    elif rejected >= chosen - _CLOSE:
        belief = f"the model believes it as much as the chosen answer {numbers}"
    else:
        belief = f"the model believes it less than the chosen answer {numbers}"
    scores = f"(MAS {decimal(pair['rejected_mas'])} against {decimal(pair['chosen_mas'])})"
    worst = " ".join(pair["worst_sentence"].split())
    doubt = f"“{worst}” fits the picture least {scores}" if worst else f"it fits the picture less {scores}"
    joint = "and" if rejected < chosen - _CLOSE else "but"
    shared = worst and worst in " ".join(pair["chosen"].split())
    note = " The chosen answer holds the same sentence, so this pair teaches little about it." if shared else ""
    return f"Rejected: {belief}, {joint} {doubt}.{note}"
