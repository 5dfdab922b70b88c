"""Which image tokens look at a region: a mask of pixels, brought to the grid of the model's patches (ours)."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from groundtune.vlm.families import patch_grid, tower_tokens
from groundtune.vlm.loader import PrefixChecker
from groundtune.vlm.prompt import Prefix


def token_coverage(reader: PrefixChecker, mask: NDArray[np.bool_]) -> Tensor:
    """Share of each patch token's pixels that lies in the mask: bool [H, W] -> float32 [N] in [0, 1], row by row.

    The mask goes, as a black and white image, through the checkpoint's own image processor, so whatever that does to
    the image (resize, crop, stretch) is done to the mask. For families that cut an image into tiles: the view of the
    whole image, whose tokens come first.
    """
    picture = Image.fromarray(np.repeat(mask[:, :, None], 3, axis=2).astype(np.uint8) * 255)
    prepared = reader.processor.image_processor(
        images=[picture], do_rescale=False, do_normalize=False, return_tensors="pt"
    )
    pixels = torch.as_tensor(prepared[reader.family.pixel_inputs[0]]).float()
    whole = pixels.reshape(-1, *pixels.shape[-3:])[:1, :1]  # first channel of the first view, [1, 1, S, S]
    shares = F.avg_pool2d(whole, int(reader.config.vision_config.patch_size)).flatten() / 255
    return shares.clamp(0, 1)[_dropped(reader) :]


def patch_positions(reader: PrefixChecker, prefix: Prefix) -> Tensor:
    """Places of those N tokens in prefix.input_ids: int64 [N], in the order of token_coverage."""
    tokens = image_positions(reader, prefix)
    count = patch_grid(reader.config) ** 2 - _dropped(reader)
    start = max(0, _leading(reader))
    return tokens[start : start + count]


def image_positions(reader: PrefixChecker, prefix: Prefix) -> Tensor:
    """Places of all tokens of the image in prefix.input_ids, tiles and line ends included: int64."""
    return (prefix.input_ids == reader.config.image_token_id).nonzero().flatten()


def _leading(reader: PrefixChecker) -> int:
    """Embeddings of a view that come before its first patch (a class token); -1 when the first patch is left out."""
    config = reader.config
    class_tokens = tower_tokens(config) - patch_grid(config) ** 2
    return class_tokens - int(config.vision_feature_select_strategy == "default")


def _dropped(reader: PrefixChecker) -> int:
    """Patches at the start that the model leaves out: `default` cuts a token even off a tower without a class token."""
    return max(0, -_leading(reader))
