"""The `contrastive` scorer: CLIP or SigLIP similarity of the image and each sentence.

A text tower reads 77 (CLIP) or 64 (SigLIP) tokens. An answer scored whole is cut there; scored sentence by sentence,
with over-long sentences divided, every word counts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoProcessor

from groundtune.candidates.alignment_score.scorer import ImageClaims
from groundtune.candidates.sentences import fit
from groundtune.errors import CheckpointError
from groundtune.vlm.checkpoints import check_checkpoint, checkpoint_digest

FAMILIES = ("clip", "siglip", "siglip2")
_TEXTS_PER_BATCH = 256


class ContrastiveScorer:
    """Raw score of a sentence: logit_scale * cos(image, sentence) (+ logit_bias for SigLIP), float32.

    A sentence cut into pieces scores the mean of its pieces.
    """

    name = "contrastive"

    def __init__(self, checkpoint: Path, template: str = "{sentence}"):
        check_checkpoint(checkpoint)
        config = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
        if config.model_type not in FAMILIES:
            raise CheckpointError(
                f"{checkpoint}: a {config.model_type!r} model cannot compare images with text; "
                f"the contrastive scorer takes {', '.join(FAMILIES)} (setting scorer)"
            )
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Any = AutoModel.from_pretrained(
            checkpoint, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        self.model.to(self.device).eval()
        self.processor: Any = AutoProcessor.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
        self.tokenizer = self.processor.tokenizer
        self.digest = checkpoint_digest(checkpoint)
        self.template = template
        self.limit = int(config.text_config.max_position_embeddings)
        self._padding = "longest" if config.model_type == "clip" else "max_length"  # as SigLIP was trained
        self._image_features: dict[str, Tensor] = {}

    @torch.inference_mode()
    def score(self, batch: Sequence[ImageClaims]) -> list[list[float]]:
        images = self._images(batch)
        pieces = {
            sentence: fit(self.template.format(sentence=sentence), self._length, self.limit)
            for claims in batch
            for sentence in claims.sentences
        }
        texts = self._texts(sorted({piece for cut in pieces.values() for piece in cut}))
        scale, bias = self.model.logit_scale.exp(), getattr(self.model, "logit_bias", 0.0)
        scores = []
        for claims, image in zip(batch, images, strict=True):
            row = []
            for sentence in claims.sentences:
                text = torch.stack([texts[piece] for piece in pieces[sentence]])
                row.append(float((scale * (text @ image) + bias).mean()))
            scores.append(row)
        return scores

    def _images(self, batch: Sequence[ImageClaims]) -> list[Tensor]:
        """[D] unit vectors, one encoding an image however many prompts ask about it."""
        keys = [claims.prompt["image_sha256"] for claims in batch]
        new = {key: claims.image for key, claims in zip(keys, batch, strict=True) if key not in self._image_features}
        if new:
            inputs = self.processor.image_processor(images=list(new.values()), return_tensors="pt").to(self.device)
            features = F.normalize(self.model.get_image_features(**inputs).pooler_output.float(), dim=-1)
            self._image_features.update(zip(new, features, strict=True))
        return [self._image_features[key] for key in keys]

    def _texts(self, texts: list[str]) -> dict[str, Tensor]:
        """text -> [D] unit vector."""
        found: dict[str, Tensor] = {}
        for start in range(0, len(texts), _TEXTS_PER_BATCH):
            chunk = texts[start : start + _TEXTS_PER_BATCH]
            inputs = self.tokenizer(
                chunk, padding=self._padding, max_length=self.limit, truncation=False, return_tensors="pt"
            ).to(self.device)
            inputs = {key: inputs[key] for key in ("input_ids", "attention_mask") if key in inputs}
            features = F.normalize(self.model.get_text_features(**inputs).pooler_output.float(), dim=-1)
            found.update(zip(chunk, features, strict=True))
        return found

    def _length(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=False)["input_ids"])
