"""How well a CLIP tells true sentences from near misses, on scenes that no model was trained on."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from groundtune.demo.claims import Claim, absent_companions, claim_of
from groundtune.demo.clip_training import keywords
from groundtune.demo.corpus import SceneArrays, bare_words, claim_codes, normalised
from groundtune.demo.language import sentence
from groundtune.demo.world import CELLS

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPProcessor


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The chance that a positive outscores a negative, ties half."""
    if not len(positive) or not len(negative):
        return float("nan")
    above = (positive[:, None] > negative[None]).mean() + 0.5 * (positive[:, None] == negative[None]).mean()
    return float(above)


@torch.no_grad()
def image_features(model: CLIPModel, processor: CLIPProcessor, pixels: np.ndarray) -> torch.Tensor:
    """Normalised image embeddings, [B, D]."""
    batches = [normalised(pixels[start : start + 128], processor) for start in range(0, len(pixels), 128)]
    found = [model.get_image_features(pixel_values=batch).pooler_output for batch in batches]
    return F.normalize(torch.cat(found), dim=-1)


@torch.no_grad()
def text_features(model: CLIPModel, processor: CLIPProcessor, texts: list[str]) -> torch.Tensor:
    """Normalised text embeddings, [S, D]."""
    found = []
    for start in range(0, len(texts), 256):
        tokens = processor.tokenizer(texts[start : start + 256], padding=True, truncation=True, return_tensors="pt")
        found.append(model.get_text_features(**tokens).pooler_output)
    return F.normalize(torch.cat(found), dim=-1)


def sentence_auc(model: CLIPModel, processor: CLIPProcessor, data: SceneArrays, seed: int = 0) -> dict[str, float]:
    """AUC of true sentences against each kind of near miss that the world knows, over all held-out scenes."""
    rng = random.Random(f"groundtune-demo/sentence-auc/{seed}")
    known = data.world.inventory
    rows: dict[str, list[int]] = {name: [] for name in ("true", "companion", "colour", "count", "position")}
    texts: dict[str, list[str]] = {name: [] for name in rows}
    for row, scene in enumerate(data.scenes):
        claim = claim_of(rng.choice(scene.entities))
        wrong: dict[str, Claim] = {"true": claim}
        if expected := absent_companions(scene):
            kind = expected[0]
            wrong["companion"] = Claim(kind, known.usual_colour.get(kind), 1, rng.randrange(CELLS))
        if others := [colour for colour in known.colours if colour != claim.colour]:
            wrong["colour"] = replace(claim, colour=rng.choice(others))
        if len(known.counts) > 1:
            wrong["count"] = replace(claim, count=2 if claim.count == 1 else 1, cell=None)
        if claim.cell is not None:
            wrong["position"] = replace(claim, cell=rng.choice([cell for cell in range(CELLS) if cell != claim.cell]))
        for name, said in wrong.items():
            rows[name].append(row)
            texts[name].append(sentence(said, rng.randrange(3)))
    images = image_features(model, processor, data.pixels)
    scores = {
        name: (images[rows[name]] * text_features(model, processor, texts[name])).sum(-1).numpy()
        for name in rows
        if rows[name]
    }
    return {name: auc(scores["true"], scores[name]) for name in scores if name != "true"}


@torch.no_grad()
def patch_auc(model: CLIPModel, processor: CLIPProcessor, data: SceneArrays) -> float:
    """AUC of "this patch shows the keyword" over patches and the keywords without colour."""
    words = [word for word in keywords(data.world.inventory) if word.colour is None]
    text = text_features(model, processor, [bare_words(word) for word in words])
    hidden = model.vision_model(normalised(data.pixels, processor)).last_hidden_state[:, 1:]
    patches = F.normalize(model.visual_projection(model.vision_model.post_layernorm(hidden)), dim=-1)
    scores = (patches @ text.T).numpy()  # [B, P, W]
    codes = np.array([claim_codes(word, data.world.inventory) for word in words])
    fits = data.codes[:, :, None, 0] == codes[None, None, :, 0]
    label = np.einsum("bep,bew->bpw", data.cover, fits) > 0.4
    negative = scores[~label]
    return auc(scores[label][:4000], np.random.default_rng(0).choice(negative, min(8000, len(negative)), replace=False))
