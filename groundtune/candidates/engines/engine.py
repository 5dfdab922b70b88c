"""What an engine that samples candidates promises, and which one a run has chosen.

An engine only writes answers. How sure the model is of them is always measured afterwards by `score_confidence`, so
that log-probs of different engines never meet.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from groundtune.images import ImageFile
from groundtune.settings import SamplingSettings
from groundtune.vlm.generate import Answer
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sampling import Decoding

P = TypeVar("P", bound=Prefix)


class Engine(Protocol[P]):
    """One loaded checkpoint, ready to answer.

    name: the value of `sampling.engine`, written into every row. version: of the package that decodes. digest,
    adapter_digest: of the checkpoint's and the adapter's files.
    """

    name: str
    version: str
    digest: str
    adapter_digest: str

    @property
    def reader(self) -> PrefixChecker:
        """Processor, tokenizer and config of the checkpoint."""
        ...

    def encode(self, record_id: str, instruction: str, file: ImageFile) -> P:
        """One prompt, checked. Raises RecordError when it cannot be asked, or the file is no image."""
        ...

    def sample(self, prompts: Sequence[P], decoding: Decoding, seeds: Sequence[int]) -> list[list[Answer]]:
        """`decoding.samples` answers a prompt, in the order given; seeds: one a prompt."""
        ...


def open_engine(settings: SamplingSettings, model: Path, adapter: Path | None) -> Engine[Any]:
    """The engine that `settings.engine` names. Raises CheckpointError, or SettingError when it is not installed."""
    if settings.engine == "vllm":
        from groundtune.candidates.engines.vllm_engine import VllmEngine

        return VllmEngine(settings, model, adapter)
    from groundtune.candidates.engines.transformers_engine import TransformersEngine

    return TransformersEngine(settings, model, adapter)
