"""Per-patch features of CLIP and SigLIP in the space that images and texts share.

`output`: the last layer's patches, treated as the pooled one is; right for a model that was trained on patches.
`value`: the last layer without its attention, for an ordinary model, which was trained on whole images alone: its
output patches gather what is anywhere in the image, and say what is there but not where.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH_FEATURES = ("output", "value")


def encode_patches(model: Any, inputs: dict[str, Tensor], kind: str) -> tuple[Tensor, Tensor]:
    """Unit features of one processed image, float32: of its patches [h, w, D] and of the whole of it [D].

    inputs: what the image processor returns for one image: pixel_values [1, 3, H, W], or for SigLIP2 pixel_values
    [1, N, C], pixel_attention_mask and spatial_shapes. kind: one of PATCH_FEATURES.
    """
    tower = model.vision_model
    layer = tower.encoder.layers[-1]
    seen = tower(**inputs, output_hidden_states=True)
    hidden, before = seen.last_hidden_state, seen.hidden_states[-2]  # [1, N, width] each
    pooled = seen.pooler_output[0]
    if model.config.model_type == "clip":
        if kind == "value":
            hidden = _own_value(layer, before)
        features = model.visual_projection(tower.post_layernorm(hidden[0, 1:]))
        pooled = model.visual_projection(pooled)
        shape = _square(len(features))
    else:  # last_hidden_state has gone through post_layernorm
        if kind == "value":
            hidden = tower.post_layernorm(_rest_of_layer(layer, before))
        shape = _square(hidden.shape[1])
        if "spatial_shapes" in inputs:
            shape = tuple(inputs["spatial_shapes"][0].tolist())
        # SigLIP pools by attention; alone with the probe, a patch passes through the head's values and MLP into the
        # space of the pooled vector, whatever the probe asks
        features = tower.head(hidden[0, : shape[0] * shape[1], None])
    return F.normalize(features.float(), dim=-1).reshape(*shape, -1), F.normalize(pooled.float(), dim=-1)


def _square(patches: int) -> tuple[int, ...]:
    side = math.isqrt(patches)
    return side, side


def _own_value(layer: Any, hidden: Tensor) -> Tensor:
    """The last layer's attention with every patch attending to itself alone, and nothing else of the layer."""
    attention = layer.self_attn
    value: Tensor = attention.out_proj(attention.v_proj(layer.layer_norm1(hidden)))
    return value


def _rest_of_layer(layer: Any, hidden: Tensor) -> Tensor:
    """The whole last layer with every patch attending to itself alone: the pooling head reads the residual stream."""
    hidden = hidden + _own_value(layer, hidden)
    rest: Tensor = hidden + layer.mlp(layer.layer_norm2(hidden))
    return rest


def unit_texts(model: Any, tokens: dict[str, Tensor]) -> Tensor:
    """Unit features [T, D] float32 of tokenised texts."""
    with torch.inference_mode():
        return F.normalize(model.get_text_features(**tokens).pooler_output.float(), dim=-1)
