"""The `patch_similarity` finder: the alignment scorer's own CLIP or SigLIP, patch by patch; needs no further model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModel

from groundtune.errors import CheckpointError, SettingError
from groundtune.preferences.image_preference.regions.checkpoint_reading import (
    check_finite,
    read_config,
    read_image_processor,
    read_model,
    read_tokenizer,
)
from groundtune.preferences.image_preference.regions.finder import Region
from groundtune.preferences.image_preference.regions.patch_features import PATCH_FEATURES, encode_patches, unit_texts
from groundtune.preferences.image_preference.regions.phrase_evidence import (
    IMAGE_PRIOR_NATS,
    PATCH_PRIOR_NATS,
    evidence,
    extent,
    presence,
)
from groundtune.preferences.image_preference.regions.pixel_maps import seen_window, to_pixels
from groundtune.preferences.image_preference.regions.reference_phrases import REFERENCE_PHRASES
from groundtune.vlm.checkpoints import checkpoint_digest

FAMILIES = ("clip", "siglip", "siglip2")
_REFERENCES_PER_BATCH = 64


class PatchSimilarityFinder:
    """Score: sigmoid of the evidence (phrase_evidence) less the prior; the evidence of the best place for `output`
    features, of the whole image for `value` features, which know places better than things. Mask: pixels whose extent,
    upsampled bilinearly from the patches, reaches `mask_threshold`; what a centre crop cut off is never in it. (ours)

    One image at a time, one text at a time: a result is the same bit for bit whatever else is asked.
    """

    name = "patch_similarity"

    def __init__(
        self,
        checkpoint: Path,
        *,
        template: str = "{phrase}",
        mask_threshold: float = 0.5,
        patch_features: str = "output",
        references: Sequence[str] = REFERENCE_PHRASES,
    ):
        """patch_features: output or value (see the module patch_features). references: phrases to compare with, in the
        language of the checkpoint's texts; put through the template as well.

        Raises CheckpointError, SettingError.
        """
        if patch_features not in PATCH_FEATURES:
            raise SettingError("patch_features", patch_features, " or ".join(PATCH_FEATURES))
        self.config = read_config(checkpoint, self.name, FAMILIES)
        self.model: Any = read_model(AutoModel, checkpoint)
        self.tokenizer = read_tokenizer(checkpoint)
        self.image_processor = read_image_processor(checkpoint)
        if self.config.model_type != "clip" and not getattr(self.model.vision_model, "use_head", True):
            raise CheckpointError(f"{checkpoint}: vision_use_head is false; {self.name} expects SigLIP's pooling head")
        self.digest = checkpoint_digest(checkpoint)
        self.checkpoint = checkpoint
        self.template = template
        self.mask_threshold = mask_threshold
        self.patch_features = patch_features
        self._padding = "longest" if self.config.model_type == "clip" else "max_length"  # as SigLIP was trained
        self._texts: dict[str, Tensor] = {}
        listed = [template.format(phrase=phrase) for phrase in references]
        batches = (listed[i : i + _REFERENCES_PER_BATCH] for i in range(0, len(listed), _REFERENCES_PER_BATCH))
        self._references = torch.cat([self._encoded(batch) for batch in batches])  # [R, D]

    @torch.inference_mode()
    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        """For image i and its phrase j a Region. Raises CheckpointError when the model's values are not finite."""
        return [self._find(image, asked) for image, asked in zip(images, phrases, strict=True)]

    def _find(self, image: Image.Image, phrases: Sequence[str]) -> list[Region]:
        if not phrases:
            return []
        inputs = self.image_processor(images=[image.convert("RGB")], return_tensors="pt").to(self.model.device)
        patches, pooled = encode_patches(self.model, dict(inputs), self.patch_features)
        scale = self.model.logit_scale.exp()
        window = seen_window(self.image_processor, image.size)
        regions = []
        for phrase in phrases:
            nats = self._evidence(scale * patches, phrase)
            if self.patch_features == "output":
                score = presence(nats, PATCH_PRIOR_NATS)
            else:
                score = presence(self._evidence(scale * pooled[None, None], phrase), IMAGE_PRIOR_NATS)
            pixels = to_pixels(extent(nats).double().cpu().numpy(), window, image.size)
            regions.append(Region(phrase, pixels >= self.mask_threshold, float(score)))
        return regions

    def _evidence(self, features: Tensor, phrase: str) -> Tensor:
        """[h, w, D] scaled features -> [h, w] nats."""
        nats = evidence(features @ self._text(phrase), features @ self._references.T)
        return check_finite(nats, self.name, self.checkpoint)

    def _text(self, phrase: str) -> Tensor:
        """[D] unit vector."""
        if phrase not in self._texts:
            self._texts[phrase] = self._encoded([self.template.format(phrase=phrase)])[0]
        return self._texts[phrase]

    def _encoded(self, texts: list[str]) -> Tensor:
        """[T, D] unit vectors. A phrase is a few words: what exceeds the text tower is cut."""
        limit = int(self.config.text_config.max_position_embeddings)
        tokens = self.tokenizer(
            texts, padding=self._padding, max_length=limit, truncation=True, return_tensors="pt"
        ).to(self.model.device)
        read = {key: tokens[key] for key in ("input_ids", "attention_mask") if key in tokens}
        return check_finite(unit_texts(self.model, read), self.name, self.checkpoint)
