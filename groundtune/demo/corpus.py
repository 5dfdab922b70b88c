"""Scenes as arrays, and batches of sentences with exact truth, for training."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from groundtune.demo.claims import Claim, claim_of, corrupt, loosen
from groundtune.demo.inventory import Inventory
from groundtune.demo.language import noun_phrase, sentence
from groundtune.demo.picture_world import PictureWorld
from groundtune.demo.world import Scene

if TYPE_CHECKING:
    from transformers import CLIPProcessor, LlavaProcessor

MODEL_SIZE = 72
PATCH_SIZE = 12
PATCHES_ACROSS = MODEL_SIZE // PATCH_SIZE
PATCHES = PATCHES_ACROSS**2
MAX_ENTITIES = 4
ANY = -1


@dataclass
class SceneArrays:
    """N scenes of a world. pixels [N, 72, 72, 3] uint8; codes [N, 4, 4] (kind, colour, count, cell; kind -9 pads);
    cover [N, 4, 36] float32, the share of each patch that each entity fills."""

    world: PictureWorld
    scenes: list[Scene]
    pixels: np.ndarray
    codes: np.ndarray
    cover: np.ndarray


def scene_arrays(world: PictureWorld, seed: int, split: str, count: int) -> SceneArrays:
    listed = list(world.scenes(seed, split, count))
    pixels = np.stack([model_pixels(world.render(scene)) for scene in listed])
    codes = np.full((count, MAX_ENTITIES, 4), -9, dtype=np.int16)
    cover = np.zeros((count, MAX_ENTITIES, PATCHES), dtype=np.float32)
    for row, scene in enumerate(listed):
        for slot, entity in enumerate(scene.entities):
            codes[row, slot] = claim_codes(claim_of(entity), world.inventory)
        cover[row, : len(scene.entities)] = world.cover(scene, PATCHES_ACROSS)
    return SceneArrays(world, listed, pixels, codes, cover)


def model_pixels(picture: Image.Image) -> np.ndarray:
    """The picture at the size that the towers read, resampled as their image processor does. [72, 72, 3] uint8."""
    return np.array(picture.resize((MODEL_SIZE, MODEL_SIZE), Image.Resampling.BICUBIC))


def normalised(pixels: np.ndarray, processor: CLIPProcessor | LlavaProcessor) -> torch.Tensor:
    """[B, 72, 72, 3] uint8 -> [B, 3, 72, 72] float32, as the image processor normalises."""
    mean = torch.tensor(processor.image_processor.image_mean).view(1, 3, 1, 1)
    std = torch.tensor(processor.image_processor.image_std).view(1, 3, 1, 1)
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std


def claim_codes(claim: Claim, known: Inventory) -> tuple[int, int, int, int]:
    colour = ANY if claim.colour is None else known.colours.index(claim.colour)
    cell = ANY if claim.cell is None else claim.cell
    return known.kinds.index(claim.kind), colour, ANY if claim.count is None else claim.count, cell


def truth_table(scene_codes: np.ndarray, claims: np.ndarray) -> np.ndarray:
    """Whether each claim holds in each scene. scene_codes [B, 4, 4], claims [S, 4] -> [B, S] bool."""
    entity, claim = scene_codes[:, None], claims[None, :, None]  # [B, 1, 4, 4], [1, S, 1, 4]
    agrees = (entity == claim) | (claim == ANY)
    return agrees.all(-1).any(-1)


def image_claims(scene: Scene, true: int, false: int, rng: random.Random) -> list[Claim]:
    """Claims on one scene: `true` that hold and `false` that nearly do, a third of them saying less."""
    drawn = []
    for index in range(true + false):
        claim = claim_of(rng.choice(scene.entities))
        if rng.random() < 0.35:
            claim = loosen(claim, rng)
        drawn.append(claim if index < true else corrupt(claim, scene, rng))
    return drawn


def claim_text(claim: Claim, rng: random.Random) -> str:
    """A sentence, or for a claim of existence sometimes the bare words, as keywords are."""
    if claim.count is None:
        return rng.choice((noun_phrase(claim), f"a photo of {noun_phrase(claim)}", sentence(claim), bare_words(claim)))
    return sentence(claim, rng.randrange(3))


def bare_words(claim: Claim) -> str:
    return f"{claim.colour} {claim.kind}" if claim.colour else claim.kind
