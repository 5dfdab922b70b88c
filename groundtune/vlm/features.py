"""Image features after the projector, and the embeddings of a whole prefix."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix


def image_features(vlm: Vlm, prefixes: list[Prefix], images_at_once: int = 32) -> list[Tensor]:
    """Projected features [N_i, D] (model dtype) of each prefix's image; equal images are encoded once.

    Runs without a graph when tower and projector are frozen, so training pays nothing for them.
    images_at_once: images in one pass of the tower (bounds memory).
    """
    distinct = {prefix.image_key: prefix for prefix in prefixes}
    by_shape: dict[tuple[torch.Size, ...], list[Prefix]] = {}
    for prefix in distinct.values():
        shape = tuple(prefix.pixels[key].shape for key in vlm.family.pixel_inputs)
        by_shape.setdefault(shape, []).append(prefix)
    encoded: dict[str, Tensor] = {}
    with torch.set_grad_enabled(torch.is_grad_enabled() and _trainable(vlm.family.image_modules(vlm.base))):
        for group in by_shape.values():
            for start in range(0, len(group), images_at_once):
                batch = group[start : start + images_at_once]
                inputs = vlm.family.pixels([prefix.pixels for prefix in batch])
                on_device = {key: placed(value, vlm) for key, value in inputs.items()}
                features = vlm.family.image_features(vlm.base, on_device)
                encoded.update(zip((prefix.image_key for prefix in batch), features, strict=True))
    return [encoded[prefix.image_key] for prefix in prefixes]


def prefix_embeddings(vlm: Vlm, prefixes: list[Prefix]) -> list[Tensor]:
    """Input embeddings [T_i, D] of each prefix: text tokens from the embedding table, placeholders from the
    image.
    """
    embed = vlm.base.get_input_embeddings()
    rows = []
    for prefix, features in zip(prefixes, image_features(vlm, prefixes), strict=True):
        ids = prefix.input_ids.to(vlm.device)
        embedded = embed(ids)  # [T, D]
        at_image = (ids == vlm.config.image_token_id).unsqueeze(-1)
        rows.append(embedded.masked_scatter(at_image, features.to(embedded)))
    return rows


def placed(value: Tensor, vlm: Vlm) -> Tensor:
    """A pixel input on the model's device; pixels in its dtype, sizes as they are."""
    return value.to(vlm.device, vlm.dtype if value.is_floating_point() else None)


def _trainable(modules: Iterable[nn.Module | nn.Parameter]) -> bool:
    return any(
        weight.requires_grad
        for module in modules
        for weight in ([module] if isinstance(module, nn.Parameter) else module.parameters())
    )
