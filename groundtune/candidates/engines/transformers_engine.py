"""The engine of this repository: groundtune.vlm.generate over a transformers model."""

from collections.abc import Sequence
from pathlib import Path

import transformers

from groundtune.images import ImageFile
from groundtune.settings import SamplingSettings
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.generate import Answer, generate
from groundtune.vlm.image_files import encode_file
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding


class TransformersEngine:
    """See Engine. A candidate does not depend on its batch, shard or restart, up to float rounding of the logits."""

    name = "transformers"
    version = transformers.__version__

    def __init__(self, settings: SamplingSettings, model: Path, adapter: Path | None):
        self.cache_tokens = settings.cache_tokens
        self.reader = load_vlm(model, adapter=adapter)
        self.reader.features = open_features(self.reader, settings.feature_cache)
        self.digest, self.adapter_digest = self.reader.digest, self.reader.adapter_digest

    def encode(self, record_id: str, instruction: str, file: ImageFile) -> Prefix:
        """See Engine."""
        return encode_file(self.reader, record_id, instruction, file)

    def sample(self, prompts: Sequence[Prefix], decoding: Decoding, seeds: Sequence[int]) -> list[list[Answer]]:
        """See Engine."""
        return generate(self.reader, prompts, decoding, seeds, cache_tokens=self.cache_tokens)
