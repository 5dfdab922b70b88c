"""Load a checkpoint folder: model, processor, tokenizer, and a LoRA adapter when there is one."""

import logging
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor

from groundtune.errors import CheckpointError, SettingError
from groundtune.vlm import attention
from groundtune.vlm.checkpoints import check_adapter, check_checkpoint, checkpoint_digest, checkpoint_identity
from groundtune.vlm.families import Family, family_of, patch_grid, tower_tokens
from groundtune.vlm.feature_cache import FeatureCache

log = logging.getLogger(__name__)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class PrefixChecker:
    """A checkpoint without its weights: enough to render and encode prompts, and to check them
    (prompt.placeholder_check).
    """

    processor: Any
    tokenizer: Any
    family: Family
    config: Any


@dataclass
class Vlm(PrefixChecker):
    """A loaded model in eval mode.

    model: the transformers model, or the PEFT wrapper around it. digest: sha256 of the checkpoint's files;
    parts: the same by part (checkpoints.CheckpointIdentity);
    adapter_digest: sha256 of the adapter's, "" without one. shares_prefixes: see branches.sharing_is_exact.
    features: keeps image features for later passes, when the tower is frozen; None keeps nothing.
    """

    model: Any
    device: torch.device
    dtype: torch.dtype
    digest: str
    parts: dict[str, str] = field(repr=False)
    adapter_digest: str = ""
    shares_prefixes: bool | None = field(default=None, repr=False)
    features: FeatureCache | None = field(default=None, repr=False)

    @property
    def base(self) -> Any:
        """The transformers model itself, LoRA layers included when there are any."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model


def load_processor(path: str | Path) -> PrefixChecker:
    """Processor, tokenizer, config and family of a checkpoint folder, without weights. Raises
    CheckpointError.
    """
    check_checkpoint(path)
    config = _read(AutoConfig, path)
    family = family_of(config)
    processor = _read(AutoProcessor, path)
    # one image backend everywhere: PIL and torchvision resize differently, answers must not depend on that
    processor.image_processor = _read(AutoImageProcessor, path, backend="pil")
    tokenizer = processor.tokenizer
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise CheckpointError(f"{path}: the tokenizer has neither pad_token nor eos_token")
        tokenizer.pad_token = tokenizer.eos_token
        log.info("%s: the tokenizer has no pad token, using %r", path, tokenizer.eos_token)
    if tokenizer.convert_tokens_to_ids(processor.image_token) != config.image_token_id:
        raise CheckpointError(
            f"{path}: the tokenizer's id of {processor.image_token!r} is not config.json's image_token_id "
            f"({config.image_token_id})"
        )
    _complete_processor(processor, config, path)
    return PrefixChecker(processor, tokenizer, family, config)


def load_vlm(
    path: str | Path,
    *,
    adapter: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Vlm:
    """A checkpoint folder, and optionally a PEFT adapter folder on top of it, in eval mode.

    device: auto (GPU if there is one), cpu, cuda, cuda:N. dtype: auto (bfloat16 on GPU, float32 on CPU) or
    a name. Raises CheckpointError (folder, files, family) or SettingError (device, dtype).
    """
    place, number = _device(device), _dtype(dtype, device)
    if adapter is not None:
        check_adapter(adapter)
    reader = load_processor(path)
    settings = {
        "dtype": number,
        "attn_implementation": "sdpa",
        "use_safetensors": True,
        "output_loading_info": True,
    }
    model, info = _read(reader.family.model_class, path, **settings)
    for problem in ("missing_keys", "mismatched_keys"):
        if info[problem]:
            raise CheckpointError(
                f"{path}: {problem.replace('_', ' ')} in the weights: {sorted(info[problem])[:3]}"
            )
    able = attention.installed(reader.family.language_model(model))
    adapter_digest = ""
    if adapter is not None:
        model, adapter_digest = _adapted(model, adapter, path), checkpoint_digest(adapter)
    model.to(place).eval()
    parts = (reader.processor, reader.tokenizer, reader.family, reader.config)
    shares, identity = None if able else False, checkpoint_identity(path)
    digests = (identity.digest, identity.parts, adapter_digest)
    return Vlm(*parts, model, place, number, *digests, shares_prefixes=shares)


def _read(cls: Any, path: str | Path, **settings: Any) -> Any:
    try:
        return cls.from_pretrained(str(path), trust_remote_code=False, local_files_only=True, **settings)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {cls.__name__} cannot be read: {error}") from error


def _adapted(model: Any, adapter: str | Path, path: str | Path) -> Any:
    from peft import PeftModel

    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        try:
            adapted = PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"adapter {adapter} does not fit the checkpoint {path}: {error}") from error
    for warning in raised:
        if "missing adapter keys" in str(warning.message):
            raise CheckpointError(f"adapter {adapter} does not fit the checkpoint {path}: {warning.message}")
    return adapted


def _complete_processor(processor: Any, config: Any, path: str | Path) -> None:
    """Older checkpoints leave these to the caller, and transformers then counts image tokens wrongly or
    fails.
    """
    filled = {}
    if getattr(processor, "patch_size", None) is None:
        filled["patch_size"] = config.vision_config.patch_size
    if getattr(processor, "vision_feature_select_strategy", None) is None:
        filled["vision_feature_select_strategy"] = config.vision_feature_select_strategy
        filled["num_additional_image_tokens"] = tower_tokens(config) - patch_grid(config) ** 2
    for name, value in filled.items():
        setattr(processor, name, value)
    if filled:
        settings = ", ".join(f"{name}={value!r}" for name, value in filled.items())
        log.warning("%s: the processor lacks settings, filled from the model's config: %s", path, settings)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingError("device", name, "auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingError(
            "device", name, "a device of this machine; it has no usable GPU (device=auto falls back to cpu)"
        )
    return device


def _dtype(name: str, device: str) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if _device(device).type == "cuda" else torch.float32
    if name not in DTYPES:
        raise SettingError("dtype", name, f"auto, {', '.join(DTYPES)}")
    return DTYPES[name]
