"""A tiny CLIP that scores single sentences well, trained on true claims and near misses with exact labels."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from groundtune.demo.claims import Claim
from groundtune.demo.clip_naming import Report, name_patches
from groundtune.demo.clip_settings import ClipSettings
from groundtune.demo.corpus import (
    MODEL_SIZE,
    PATCH_SIZE,
    SceneArrays,
    bare_words,
    claim_codes,
    claim_text,
    image_claims,
    normalised,
    truth_table,
)
from groundtune.demo.inventory import Inventory
from groundtune.demo.picture_world import PictureWorld
from groundtune.demo.schedule import cosine_schedule
from groundtune.demo.vocabulary import TEXT_POSITIONS, build_tokenizer

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPProcessor


def keywords(known: Inventory) -> list[Claim]:
    """Every kind, bare and in every colour."""
    return [Claim(kind, colour) for kind in known.kinds for colour in (None, *known.colours)]


def clip_processor(world: PictureWorld, seed: int) -> CLIPProcessor:
    from transformers import CLIPProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    square = {"height": MODEL_SIZE, "width": MODEL_SIZE}
    images = CLIPImageProcessorPil(size={"shortest_edge": MODEL_SIZE}, crop_size=square)
    tokenizer = build_tokenizer(world, seed, image_token=False, eos_at_end=True, max_length=TEXT_POSITIONS)
    return CLIPProcessor(images, tokenizer)


def new_clip(processor: CLIPProcessor, settings: ClipSettings) -> CLIPModel:
    from transformers import CLIPConfig, CLIPModel

    tokenizer = processor.tokenizer
    shared = {
        "hidden_size": settings.width, "intermediate_size": 3 * settings.width, "num_attention_heads": 4,
        "hidden_act": "gelu", "projection_dim": settings.projection,
    }  # fmt: skip
    config = CLIPConfig(
        text_config={
            **shared, "vocab_size": len(tokenizer), "num_hidden_layers": settings.text_layers,
            "max_position_embeddings": TEXT_POSITIONS, "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            **shared, "num_hidden_layers": settings.vision_layers, "image_size": MODEL_SIZE, "patch_size": PATCH_SIZE,
        },
        projection_dim=settings.projection, logit_scale_init_value=2.3,
    )  # fmt: skip
    return CLIPModel(config)


def train_clip(seed: int, data: SceneArrays, settings: ClipSettings, report: Report) -> tuple[CLIPModel, CLIPProcessor]:
    """Sigmoid loss on every (picture, sentence) of the batch, and on (patch, keyword) so that words find their place.

    The labels of all pairs are exact: a sentence that happens to be true of another picture is no negative there.
    """
    torch.manual_seed(seed)
    processor = clip_processor(data.world, 0)
    known = data.world.inventory
    named = [bare_words(word) for word in keywords(known)]
    model = new_clip(processor, settings)
    if settings.naming_steps:
        name_patches(seed, model, processor, data, settings, report)
    bias = torch.nn.Parameter(torch.tensor(-5.0))
    patch_bias = torch.nn.Parameter(torch.tensor(-5.0))
    rng = random.Random(f"groundtune-demo/clip/{seed}")
    model.train()
    parameters = [*model.parameters(), bias, patch_bias]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = cosine_schedule(optimizer, settings.steps)
    for step in range(settings.steps):
        rows = np.array(rng.sample(range(len(data.scenes)), min(settings.batch, len(data.scenes))))
        claims, texts = [], []
        for row in rows:
            for claim in image_claims(data.scenes[row], settings.true_claims, settings.false_claims, rng):
                claims.append(claim)
                texts.append(claim_text(claim, rng))
        codes = np.array([claim_codes(claim, known) for claim in claims])
        truth = torch.from_numpy(truth_table(data.codes[rows], codes))
        tokens = processor.tokenizer(texts + named, padding=True, return_tensors="pt")
        text = F.normalize(model.get_text_features(**tokens).pooler_output, dim=-1)
        vision = model.vision_model(normalised(data.pixels[rows], processor))
        image = F.normalize(model.visual_projection(vision.pooler_output), dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)
        logits = scale * image @ text[: len(texts)].T + bias  # [B, S]
        own = torch.arange(len(rows)).repeat_interleave(settings.true_claims + settings.false_claims)
        sentence_loss = _own_and_other_loss(logits, truth, own)
        patches = F.normalize(patch_embeddings(model, vision.last_hidden_state), dim=-1)
        found = scale * patches @ text[len(texts) :].T + patch_bias  # [B, P, W]
        patch_loss = _patch_loss(found, data, rows)
        loss = sentence_loss + patch_loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == settings.steps - 1:
            report(
                f"clip seed {seed} step {step + 1}/{settings.steps} "
                f"sentences {sentence_loss.item():.3f} patches {patch_loss.item():.3f} scale {scale.item():.1f}"
            )
    return model.eval(), processor


def patch_embeddings(model: CLIPModel, hidden: torch.Tensor) -> torch.Tensor:
    """Patches in the space that pictures and texts share. hidden [B, 1 + P, D] -> [B, P, E]."""
    return model.visual_projection(model.vision_model.post_layernorm(hidden[:, 1:]))


def _own_and_other_loss(logits: torch.Tensor, truth: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Pairs of a picture with its own sentences (half true, half nearly so) weigh as much as all the others."""
    loss = F.binary_cross_entropy_with_logits(logits, truth.float(), reduction="none")
    mine = torch.zeros_like(truth)
    mine[own, torch.arange(len(own))] = True
    return loss[mine].mean() + 0.5 * loss[~mine & truth].mean() + 0.5 * loss[~mine & ~truth].mean()


def _patch_loss(found: torch.Tensor, data: SceneArrays, rows: np.ndarray) -> torch.Tensor:
    """A keyword is true of a patch that its entity mostly fills; half-filled patches do not count. found [B, P, W]."""
    known = data.world.inventory
    words = np.array([claim_codes(word, known) for word in keywords(known)])
    codes = data.codes[rows][:, :, None]  # [B, E, 1, 4]
    fits = ((codes == words) | (words == -1)).all(-1)  # [B, E, W]
    cover = np.einsum("bep,bew->bpw", data.cover[rows], fits)
    label, counts = torch.from_numpy(cover > 0.4), torch.from_numpy((cover > 0.4) | (cover < 0.1))
    loss = F.binary_cross_entropy_with_logits(found, label.float(), reduction="none")
    return 0.5 * loss[label].mean() + 0.5 * loss[counts & ~label].mean()
