"""The `sam3` finder: SAM 3, a segmenter that takes a noun phrase and masks all its instances."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import Sam3Model
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from groundtune.errors import CheckpointError
from groundtune.preferences.image_preference.regions.checkpoint_reading import (
    check_finite,
    read_config,
    read_model,
    read_tokenizer,
)
from groundtune.preferences.image_preference.regions.finder import Region
from groundtune.preferences.image_preference.regions.instances import kept_instances
from groundtune.preferences.image_preference.regions.pixel_maps import to_pixels, whole
from groundtune.vlm.checkpoints import checkpoint_digest

INSTANCE_THRESHOLD = 0.5
_IMAGE_FIELDS = (
    "do_resize", "size", "resample", "do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std",
)  # fmt: skip


class Sam3Finder:
    """Score: the best instance's, P(phrase in the image) * P(instance shows it). Mask: the union of the masks of the
    instances that count (instances.kept_instances). (ours; scores and masks are SAM 3's)

    Each image is encoded once, then one phrase at a time is read: a result is the same bit for bit whatever else is
    asked.
    """

    name = "sam3"

    def __init__(self, checkpoint: Path, *, template: str = "{phrase}", mask_threshold: float = 0.5):
        """checkpoint: SAM 3 for images, or for videos: then its detector is read. Raises CheckpointError."""
        config = read_config(checkpoint, self.name, ("sam3", "sam3_video"))
        self.model: Any = read_model(Sam3Model, checkpoint)
        self.tokenizer = read_tokenizer(checkpoint)
        self.image_processor = read_sam3_images(checkpoint)
        self.digest = checkpoint_digest(checkpoint)
        self.checkpoint = checkpoint
        self.template = template
        self.mask_threshold = mask_threshold
        detector = getattr(config, "detector_config", None) or config
        self._positions = int(detector.text_config.max_position_embeddings)

    @torch.inference_mode()
    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        """For image i and its phrase j a Region. Raises CheckpointError when the model's values are not finite."""
        return [self._find(image.convert("RGB"), asked) for image, asked in zip(images, phrases, strict=True)]

    def _find(self, image: Image.Image, phrases: Sequence[str]) -> list[Region]:
        if not phrases:
            return []
        inputs = self.image_processor(images=[image], return_tensors="pt").to(self.model.device)
        vision = self.model.get_vision_features(pixel_values=inputs["pixel_values"])
        return [self._region(phrase, vision, image.size) for phrase in phrases]

    def _region(self, phrase: str, vision: Any, size: tuple[int, int]) -> Region:
        tokens = self.tokenizer(
            [self.template.format(phrase=phrase)],
            padding="max_length",  # as SAM 3 was trained
            max_length=self._positions,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        out = self.model(vision_embeds=vision, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        scores = torch.sigmoid(out.pred_logits[0].float())
        if out.presence_logits is not None:
            scores = scores * torch.sigmoid(out.presence_logits[0].float())
        grids = torch.sigmoid(out.pred_masks[0].float())  # [Q, h, w]
        for values in (scores, grids):
            check_finite(values, self.name, self.checkpoint)
        # the highest instance of every cell is upsampled: the union of the masks without a full-size map for each
        grid = grids[kept_instances(scores, INSTANCE_THRESHOLD)].amax(0).double().cpu().numpy()
        return Region(phrase, to_pixels(grid, whole(size), size) >= self.mask_threshold, float(scores.max()))


def read_sam3_images(checkpoint: Path) -> Any:
    """The checkpoint's image processing in PIL: transformers has it for torchvision alone. It resizes to a square,
    rescales and normalises, nothing else.

    Raises CheckpointError: no processor file, or one that does not say the size.
    """
    for name in ("processor_config.json", "preprocessor_config.json"):
        file = checkpoint / name
        if not file.is_file():
            continue
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file}: not readable as JSON ({error})") from error
        fields = found.get("image_processor", found)
        if isinstance(fields, dict) and {"height", "width"} <= set(fields.get("size") or {}):
            return ViTImageProcessorPil(**{key: fields[key] for key in _IMAGE_FIELDS if fields.get(key) is not None})
    raise CheckpointError(
        f"{checkpoint}: neither processor_config.json nor preprocessor_config.json says the image size; "
        "expected size with height and width, as Sam3Processor.save_pretrained writes it"
    )
