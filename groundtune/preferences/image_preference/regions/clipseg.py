"""The `clipseg` finder: CLIPSeg, a CLIP with a small decoder that paints where a text is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPSegForImageSegmentation

from groundtune.preferences.image_preference.regions.checkpoint_reading import (
    check_finite,
    read_config,
    read_image_processor,
    read_model,
    read_tokenizer,
)
from groundtune.preferences.image_preference.regions.finder import Region
from groundtune.preferences.image_preference.regions.pixel_maps import seen_window, to_pixels
from groundtune.vlm.checkpoints import checkpoint_digest

# One pixel of the map is chance; an object smaller than this share of the image is scored too low.
TOP_SHARE = 0.005


class ClipSegFinder:
    """Pixel scores: sigmoid of the decoder's map, upsampled bilinearly. Score of a region: mean of the map's highest
    half percent. Mask: pixels that reach `mask_threshold`. (ours; the map is CLIPSeg's)

    Each image goes through the CLIP tower once, then the decoder reads one phrase at a time: a result is the same bit
    for bit whatever else is asked.
    """

    name = "clipseg"

    def __init__(self, checkpoint: Path, *, template: str = "{phrase}", mask_threshold: float = 0.5):
        """Raises CheckpointError."""
        self.config = read_config(checkpoint, self.name, ("clipseg",))
        self.model: Any = read_model(CLIPSegForImageSegmentation, checkpoint)
        self.tokenizer = read_tokenizer(checkpoint)
        self.image_processor = read_image_processor(checkpoint)
        self.digest = checkpoint_digest(checkpoint)
        self.checkpoint = checkpoint
        self.template = template
        self.mask_threshold = mask_threshold

    @torch.inference_mode()
    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        """For image i and its phrase j a Region. Raises CheckpointError when the model's values are not finite."""
        return [self._find(image, asked) for image, asked in zip(images, phrases, strict=True)]

    def _find(self, image: Image.Image, phrases: Sequence[str]) -> list[Region]:
        if not phrases:
            return []
        inputs = self.image_processor(images=[image.convert("RGB")], return_tensors="pt").to(self.model.device)
        window = seen_window(self.image_processor, image.size)
        hidden = self.model.clip.get_image_features(
            inputs["pixel_values"], interpolate_pos_encoding=True, output_hidden_states=True
        ).hidden_states
        activations = [hidden[layer + 1] for layer in self.config.extract_layers]  # hidden[0] is the embedding
        regions = []
        for phrase in phrases:
            logits = self.model.decoder(activations, self._text(phrase)).logits
            logits = check_finite(logits.float().reshape(logits.shape[-2:]), self.name, self.checkpoint)
            grid = torch.sigmoid(logits).double()
            pixels = to_pixels(grid.cpu().numpy(), window, image.size)
            regions.append(Region(phrase, pixels >= self.mask_threshold, _score(grid)))
        return regions

    def _text(self, phrase: str) -> Tensor:
        """[1, D] conditional embedding."""
        tokens = self.tokenizer(
            [self.template.format(phrase=phrase)],
            max_length=int(self.config.text_config.max_position_embeddings),
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        embedding: Tensor = self.model.get_conditional_embeddings(
            batch_size=1, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return embedding


def _score(grid: Tensor) -> float:
    """[h, w] in [0, 1] -> mean of its highest TOP_SHARE, of one value at least."""
    count = max(1, round(TOP_SHARE * grid.numel()))
    return float(grid.flatten().topk(count).values.mean())
