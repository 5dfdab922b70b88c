"""What both sides work on: pictures as PNG files, one instruction, and pairs of answers of known length."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from groundtune.demo.draw import IMAGE_SIZE, render
from groundtune.demo.world import scenes

INSTRUCTION = "Describe this image in detail."


@dataclass(frozen=True)
class Pair:
    """A preference as text; `chosen_ids` and `rejected_ids` are what the tokenizer makes of it."""

    pair_id: str
    image: Path
    chosen: str
    rejected: str
    chosen_ids: list[int]
    rejected_ids: list[int]


def draw_pictures(folder: Path, count: int, side: int) -> None:
    """`count` scenes of the demo world, as it draws them or larger."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, scene in enumerate(scenes(0, "prompts", count)):
        picture = render(scene)
        size = (side, side) if side > IMAGE_SIZE else picture.size
        picture.resize(size, Image.Resampling.BICUBIC).save(folder / f"{i:05d}.png")


def made_up_pairs(tokenizer: Any, pictures: list[Path], lengths: tuple[int, int], seed: int = 0) -> list[Pair]:
    """A pair a picture; lengths: shortest and longest answer in tokens, both included."""
    writer = Writer(tokenizer, seed)
    rng = random.Random(seed)
    pairs = []
    for i, picture in enumerate(pictures):
        (chosen, chosen_ids), (rejected, rejected_ids) = (writer.answer(rng.randint(*lengths)) for _ in range(2))
        pairs.append(Pair(f"pair-{i:05d}", picture, chosen, rejected, chosen_ids, rejected_ids))
    return pairs


class Writer:
    """Writes answers of an exact number of tokens, out of words that the tokenizer knows whole."""

    def __init__(self, tokenizer: Any, seed: int = 0):
        self.tokenizer, self.rng = tokenizer, random.Random(seed)
        found = (tokenizer.decode([i]) for i in range(len(tokenizer)))
        words = sorted({word.strip() for word in found if word.strip().isascii() and word.strip().isalpha()})
        lengths = map(len, self._ids([f" {word}" for word in words]))
        self.words = [word for word, length in zip(words, lengths, strict=True) if length == 1]

    def answer(self, tokens: int) -> tuple[str, list[int]]:
        """Text and ids. Raises ValueError when the tokenizer merges across words."""
        text = "".join(f" {word}" for word in self.rng.choices(self.words, k=tokens))
        (ids,) = self._ids([text])
        if len(ids) != tokens:
            raise ValueError(f"{tokens} words became {len(ids)} tokens: this tokenizer merges across spaces")
        return text, ids

    def _ids(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids
