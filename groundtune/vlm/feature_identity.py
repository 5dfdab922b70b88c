"""Everything that image features depend on besides the image, as the name of the folder they are kept in (ours)."""

import hashlib
from pathlib import Path
from typing import Any

import PIL
import torch
import transformers
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from groundtune import storage
from groundtune.digests import digest_of
from groundtune.vlm.feature_cache import FeatureCache
from groundtune.vlm.loader import PrefixChecker, Vlm

_FOLDER = "features"
_ELSEWHERE = ("text_config", "_name_or_path", "transformers_version")  # of a config: what no feature depends on


def open_features(vlm: Vlm, mebibytes: int, cache: Path | None = None) -> FeatureCache | None:
    """The features of this model's tower below `cache`, by default GROUNDTUNE_CACHE; 0 MiB: None, nothing is kept.

    The tower must not change afterwards. With FSDP all processes must call it.
    """
    if not mebibytes:
        return None
    name = f"{tower_digest(vlm)[:24]}-{processor_digest(vlm)[:24]}"
    return FeatureCache((cache or storage.cache_root()) / _FOLDER / name, mebibytes)


def tower_digest(vlm: Vlm) -> str:
    """sha256 (hex) of what turns pixels into features: weights and configuration, LoRA among them, the precision, and
    what does the arithmetic, since another one rounds in another way."""
    modules = vlm.family.image_modules(vlm.base)
    weights = {
        f"{place}.{name}": [str(value.dtype), list(value.shape), _bytes_digest(value)]
        for place, module in enumerate(modules)
        for name, value in _tensors(module)
    }
    tuned = any(isinstance(part, BaseTunerLayer) for module in modules for part in _parts(module))
    return digest_of(
        {
            "family": vlm.family.name,
            "config": _settings(vlm.config.to_dict()),
            "weights": weights,
            "lora": _lora(vlm.model) if tuned else {},
            "dtype": str(vlm.dtype),
            "attention": vlm.base.config.vision_config._attn_implementation,
            "device": _device_name(vlm.device),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
    )


def processor_digest(reader: PrefixChecker) -> str:
    """sha256 (hex) of what turns an image file into pixels."""
    processor = reader.processor.image_processor
    return digest_of(
        {
            "class": type(processor).__name__,
            "settings": _settings(processor.to_dict()),
            "pillow": PIL.__version__,
            "transformers": transformers.__version__,
        }
    )


def _tensors(module: nn.Module | nn.Parameter) -> list[tuple[str, Tensor]]:
    if isinstance(module, nn.Parameter):
        return [("", module)]
    return [*module.named_parameters(), *module.named_buffers()]


def _parts(module: nn.Module | nn.Parameter) -> list[nn.Module]:
    return [] if isinstance(module, nn.Parameter) else list(module.modules())


def _bytes_digest(value: Tensor) -> str:
    whole = value.full_tensor() if isinstance(value, DTensor) else value
    copy = whole.detach().to("cpu", copy=True)  # memory that numpy has seen can no longer be freed by FSDP
    return hashlib.sha256(copy.contiguous().reshape(-1).view(torch.uint8).numpy().data).hexdigest()


def _lora(model: Any) -> dict[str, Any]:
    """Of adapters whose layers are in the tower: their weights do not tell how they are scaled."""
    configs = {name: config.to_dict() | {"base_model_name_or_path": ""} for name, config in model.peft_config.items()}
    return {"active": list(model.active_adapters), "configs": _settings(configs)}


def _settings(value: Any) -> Any:
    """Of JSON, sorted; anything else as its text."""
    if isinstance(value, dict):
        return {str(key): _settings(inner) for key, inner in value.items() if key not in _ELSEWHERE}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [_settings(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
