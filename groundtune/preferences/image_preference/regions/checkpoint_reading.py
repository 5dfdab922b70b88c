"""Reading the parts of a finder's checkpoint: local files only, safetensors only, no remote code, one image backend."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from groundtune.errors import CheckpointError
from groundtune.vlm.checkpoints import check_checkpoint

_FAILURES = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError)


def read_config(checkpoint: Path, finder: str, expected: tuple[str, ...]) -> Any:
    """The config of a checkpoint folder whose model type is one of `expected`.

    Raises CheckpointError: unsafe or incomplete folder, or another model type (named beside what `finder` takes).
    """
    check_checkpoint(checkpoint)
    config = _read(AutoConfig, checkpoint)
    if config.model_type not in expected:
        raise CheckpointError(
            f"{checkpoint}: is a {config.model_type!r} model; the finder {finder} expects {' or '.join(expected)}"
        )
    return config


def read_model(cls: Any, checkpoint: Path) -> Any:
    """The model in float32 and eval mode, on the GPU when there is one. Raises CheckpointError, also when weights are
    missing or of the wrong shape: transformers would fill them at random.
    """
    settings = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    model, info = _read(cls, checkpoint, **settings)
    for problem in ("missing_keys", "mismatched_keys"):
        if info[problem]:
            raise CheckpointError(
                f"{checkpoint}: {problem.replace('_', ' ')} in the weights: {sorted(map(str, info[problem]))[:3]}"
            )
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def read_image_processor(checkpoint: Path) -> Any:
    """The PIL image processor, also where torchvision is installed: the two resize differently."""
    return _read(AutoImageProcessor, checkpoint, backend="pil")


def read_tokenizer(checkpoint: Path) -> Any:
    """The tokenizer of a checkpoint folder. Raises CheckpointError."""
    return _read(AutoTokenizer, checkpoint)


def check_finite(values: Tensor, finder: str, checkpoint: Path) -> Tensor:
    """`values` as they are. Raises CheckpointError when one is NaN or infinite: that is no absent phrase."""
    if not bool(torch.isfinite(values).all()):
        raise CheckpointError(
            f"{checkpoint}: the finder {finder} computed values that are not finite; expected finite ones: "
            "the weights are damaged or overflow in float32"
        )
    return values


def _read(cls: Any, checkpoint: Path, **settings: Any) -> Any:
    try:
        return cls.from_pretrained(str(checkpoint), trust_remote_code=False, local_files_only=True, **settings)
    except _FAILURES as error:
        raise CheckpointError(f"{checkpoint}: {cls.__name__} cannot be read: {error}") from error
