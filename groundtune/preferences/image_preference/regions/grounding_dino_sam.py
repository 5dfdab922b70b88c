"""The `grounding_dino+sam` finder: Grounding DINO boxes what a phrase names, SAM cuts each box's object out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import GroundingDinoForObjectDetection, SamModel, SamProcessor

from groundtune.preferences.image_preference.regions.checkpoint_reading import (
    check_finite,
    read_config,
    read_image_processor,
    read_model,
    read_tokenizer,
)
from groundtune.preferences.image_preference.regions.finder import Mask, Region
from groundtune.preferences.image_preference.regions.instances import kept_instances
from groundtune.vlm.checkpoints import checkpoint_digest

BOX_THRESHOLD = 0.25  # as Grounding DINO's own post-processing
_BOXES_A_PASS = 16


class GroundingDinoSamFinder:
    """Score: the best box's. Mask: the union of SAM's masks of the boxes that count (instances.kept_instances). (MFPO:
    SAM; what prompts it is ours)

    One phrase a prompt, so that phrases cannot mix, and one prompt a pass, so that neither images nor prompts are
    padded: a result is the same bit for bit whatever else is asked. The image's SAM embedding is computed once.
    """

    name = "grounding_dino+sam"

    def __init__(self, detector: Path, segmenter: Path, *, template: str = "{phrase}", mask_threshold: float = 0.5):
        """detector: a Grounding DINO checkpoint; segmenter: a SAM checkpoint. Raises CheckpointError."""
        self.config = read_config(detector, self.name, ("grounding-dino",))
        read_config(segmenter, self.name, ("sam",))
        self.detector: Any = read_model(GroundingDinoForObjectDetection, detector)
        self.tokenizer = read_tokenizer(detector)
        self.image_processor = read_image_processor(detector)
        self.segmenter: Any = read_model(SamModel, segmenter)
        self.sam_processor: Any = SamProcessor(read_image_processor(segmenter))
        self.detector_path, self.segmenter_path = detector, segmenter
        both = f"{checkpoint_digest(detector)} {checkpoint_digest(segmenter)}"
        self.digest = hashlib.sha256(both.encode()).hexdigest()
        self.template = template
        self.mask_threshold = mask_threshold

    @torch.inference_mode()
    def find(self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]) -> list[list[Region]]:
        """For image i and its phrase j a Region. Raises CheckpointError when the models' values are not finite."""
        return [self._find(image.convert("RGB"), asked) for image, asked in zip(images, phrases, strict=True)]

    def _find(self, image: Image.Image, phrases: Sequence[str]) -> list[Region]:
        if not phrases:
            return []
        seen = self.image_processor(images=[image], return_tensors="pt").to(self.detector.device)
        cut = self.sam_processor(images=[image], return_tensors="pt").to(self.segmenter.device)
        embedding = self.segmenter.get_image_embeddings(cut["pixel_values"])
        regions = []
        for phrase in phrases:
            scores, boxes = self._boxes(seen, phrase, image.size)
            kept = kept_instances(scores, BOX_THRESHOLD)
            mask = self._united(boxes[kept], image, embedding)
            regions.append(Region(phrase, mask, float(scores.max())))
        return regions

    def _boxes(self, seen: Any, phrase: str, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Scores [Q] in [0, 1] and boxes [Q, 4] (left, top, right, bottom in pixels of the image) of all queries."""
        tokens = self.tokenizer(
            [prompt(self.template.format(phrase=phrase))],
            max_length=int(self.config.max_text_len),
            truncation=True,
            return_token_type_ids=True,
            return_tensors="pt",
        ).to(self.detector.device)
        out = self.detector(**seen, **tokens)
        # places beyond the prompt hold -inf: probability zero
        scores = torch.sigmoid(out.logits[0].float()).amax(-1)
        x, y, width, height = out.pred_boxes[0].float().unbind(-1)
        corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], -1).clamp(0, 1)
        boxes = corners * torch.tensor([size[0], size[1]] * 2, device=corners.device)
        for values in (scores, boxes):
            check_finite(values, self.name, self.detector_path)
        return scores, boxes

    def _united(self, boxes: Tensor, image: Image.Image, embedding: Tensor) -> Mask:
        """Union over boxes [N, 4] of SAM's masks, [H, W]: the highest mask of every cell is upsampled, so that many
        boxes in a large image need no full-size map each.
        """
        prompted = self.sam_processor(images=[image], input_boxes=[boxes.cpu().tolist()], return_tensors="pt")
        cells = []
        for some in prompted["input_boxes"].float().to(embedding.device).split(_BOXES_A_PASS, dim=1):
            out = self.segmenter(image_embeddings=embedding, input_boxes=some, multimask_output=False)
            cells.append(check_finite(out.pred_masks.float(), self.name, self.segmenter_path).amax(1, keepdim=True))
        highest = torch.cat(cells, 1).amax(1, keepdim=True).cpu()  # [1, 1, 1, h, w] logits
        pixels = self.sam_processor.post_process_masks(
            highest, prompted["original_sizes"], prompted["reshaped_input_sizes"], binarize=False
        )
        mask: Mask = (torch.sigmoid(pixels[0].reshape(image.height, image.width)) >= self.mask_threshold).numpy()
        return mask


def prompt(text: str) -> str:
    """A phrase as Grounding DINO was trained on it: lower case, one final dot and no other."""
    return " ".join(text.lower().replace(".", " ").split()) + "."
