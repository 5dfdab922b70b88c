"""What differs between families of image-text-to-text models. Another family is one more entry."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
)
from transformers.image_processing_utils import select_best_resolution

from groundtune.errors import CheckpointError

LLAVA_TEMPLATE = "USER: <image>\n{instruction} ASSISTANT:"  # documented with LLaVA-1.5


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint, found by `config.model_type`.

    pixel_inputs: names of the processor's outputs that belong to the image, the first one is the pixels.
    expected_image_tokens: (config, (height, width) of the image) -> number of embeddings the model will
    produce. image_features: (unwrapped model, pixel inputs of n images) -> n tensors [N_i, D] after the
    projector. language_model: (unwrapped model) -> the decoder, which takes `inputs_embeds` [B, T, D].
    image_modules: (unwrapped model) -> modules and parameters that image_features runs through.
    default_template: used when the checkpoint brings no chat template; holds `<image>` and
    `{instruction}`.
    """

    name: str
    model_class: type
    pixel_inputs: tuple[str, ...]
    expected_image_tokens: Callable[[Any, tuple[int, int]], int]
    image_features: Callable[[Any, dict[str, Tensor]], list[Tensor]]
    language_model: Callable[[Any], nn.Module]
    image_modules: Callable[[Any], list[nn.Module | nn.Parameter]]
    default_template: str


@lru_cache(maxsize=32)
def _tower_tokens(vision_config: str) -> int:
    from_dict = json.loads(vision_config)
    config = AutoConfig.for_model(from_dict.pop("model_type"), **from_dict)
    with torch.device("meta"), torch.no_grad():  # shapes only: no memory, no arithmetic
        tower = AutoModel.from_config(config)
        pixels = torch.empty(1, getattr(config, "num_channels", 3), config.image_size, config.image_size)
        return int(tower(pixels).last_hidden_state.shape[1])


def tower_tokens(config: Any) -> int:
    """Embeddings that the vision tower of `config` gives for one square input, class token included.

    Read from the tower's own code (run on the meta device), so it holds for any tower without a table.
    """
    return _tower_tokens(json.dumps(config.vision_config.to_dict(), default=str, sort_keys=True))


def patch_grid(config: Any) -> int:
    """Patches a side of one square input of the tower."""
    return int(config.vision_config.image_size) // int(config.vision_config.patch_size)


def _base_tokens(config: Any) -> int:
    return tower_tokens(config) - (config.vision_feature_select_strategy == "default")


def _llava_tokens(config: Any, image_size: tuple[int, int]) -> int:
    return _base_tokens(config)


def _llava_next_tokens(config: Any, image_size: tuple[int, int]) -> int:
    """Tiles of the best grid less the padding of the aspect ratio, one newline a row, and the base view."""
    height, width = image_size
    tile, grid = config.vision_config.image_size, patch_grid(config)
    best_height, best_width = select_best_resolution((height, width), config.image_grid_pinpoints)
    rows, columns = best_height // tile * grid, best_width // tile * grid
    if width / height > columns / rows:
        rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
    else:
        columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
    return rows * (columns + 1) + _base_tokens(config)


def _projected(model: Any, inputs: dict[str, Tensor]) -> list[Tensor]:
    """`get_image_features` gives, for both LLaVA families, one [N_i, D] an image (newlines included)."""
    features = model.model.get_image_features(**inputs, return_dict=True).pooler_output
    return list(features)


def _language_model(model: Any) -> nn.Module:
    decoder: nn.Module = model.model.language_model
    return decoder


def _llava_modules(model: Any) -> list[nn.Module | nn.Parameter]:
    return [model.model.vision_tower, model.model.multi_modal_projector]


def _llava_next_modules(model: Any) -> list[nn.Module | nn.Parameter]:
    return [*_llava_modules(model), model.model.image_newline]


FAMILIES = {
    "llava": Family(
        name="llava",
        model_class=LlavaForConditionalGeneration,
        pixel_inputs=("pixel_values",),
        expected_image_tokens=_llava_tokens,
        image_features=_projected,
        language_model=_language_model,
        image_modules=_llava_modules,
        default_template=LLAVA_TEMPLATE,
    ),
    "llava_next": Family(
        name="llava_next",
        model_class=LlavaNextForConditionalGeneration,
        pixel_inputs=("pixel_values", "image_sizes"),
        expected_image_tokens=_llava_next_tokens,
        image_features=_projected,
        language_model=_language_model,
        image_modules=_llava_next_modules,
        default_template=LLAVA_TEMPLATE,
    ),
}


def family_of(config: Any) -> Family:
    """The family of a model config. Raises CheckpointError for a `model_type` that is not known here."""
    model_type = getattr(config, "model_type", None)
    if model_type not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise CheckpointError(
            f"model_type {model_type!r} is not a known image-text-to-text family (known: {known})"
        )
    return FAMILIES[model_type]
