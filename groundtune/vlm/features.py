"""Image features after the projector, and the embeddings of a whole prefix."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix


def image_features(vlm: Vlm, prefixes: list[Prefix], images_at_once: int = 32) -> list[Tensor]:
    """Projected features [N_i, D] (model dtype) of each prefix's image; equal images are encoded once.

    Runs without a graph when tower and projector are frozen, so training pays nothing for them. With vlm.features,
    frozen features are kept for later passes. images_at_once: images in one pass of the tower (bounds memory).
    """
    distinct = {prefix.image_key: prefix for prefix in prefixes}
    trained = torch.is_grad_enabled() and _trainable(vlm.family.image_modules(vlm.base))
    if vlm.features is not None and not trained:
        found = {key: _kept(vlm, prefix) for key, prefix in distinct.items()}
        return [found[prefix.image_key] for prefix in prefixes]
    by_shape: dict[tuple[torch.Size, ...], list[Prefix]] = {}
    for prefix in distinct.values():
        shape = tuple(prefix.pixels[key].shape for key in vlm.family.pixel_inputs)
        by_shape.setdefault(shape, []).append(prefix)
    encoded: dict[str, Tensor] = {}
    with torch.set_grad_enabled(trained):
        for group in by_shape.values():
            for start in range(0, len(group), images_at_once):
                batch = group[start : start + images_at_once]
                inputs = vlm.family.pixels([prefix.pixels for prefix in batch])
                on_device = {key: placed(value, vlm) for key, value in inputs.items()}
                features = vlm.family.image_features(vlm.base, on_device)
                encoded.update(zip((prefix.image_key for prefix in batch), features, strict=True))
    return [encoded[prefix.image_key] for prefix in prefixes]


@torch.no_grad()
def _kept(vlm: Vlm, prefix: Prefix) -> Tensor:
    """Features of one image [N, D], from the cache when it is there. One image a pass: what is computed must not depend
    on which others happened to be missing, or a resumed training would differ in the last digit."""
    assert vlm.features is not None
    kept = vlm.features.get(prefix.image_key)
    if kept is None:
        inputs = {key: placed(value, vlm) for key, value in vlm.family.pixels([prefix.pixels]).items()}
        (kept,) = vlm.family.image_features(vlm.base, inputs)
        vlm.features.put(prefix.image_key, kept)
    return kept.to(vlm.device)


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


def left_padded(vlm: Vlm, prefixes: list[Prefix]) -> tuple[Tensor, Tensor, Tensor]:
    """Prefixes that end together: embeddings [B, T, D], attention mask and positions, both [B, T] int64."""
    embedded = prefix_embeddings(vlm, prefixes)
    width = max(len(row) for row in embedded)
    stacked = torch.stack([F.pad(row, (0, 0, width - len(row), 0)) for row in embedded])
    lengths = torch.tensor([len(row) for row in embedded], device=vlm.device)
    mask = (torch.arange(width, device=vlm.device) >= width - lengths.unsqueeze(1)).long()
    return stacked, mask, (mask.cumsum(dim=1) - 1).clamp(min=0)


def placed(value: Tensor, vlm: Vlm) -> Tensor:
    """A pixel input on the model's device; pixels in its dtype, sizes as they are."""
    return value.to(vlm.device, vlm.dtype if value.is_floating_point() else None)


def _trainable(modules: Iterable[nn.Module | nn.Parameter]) -> bool:
    return any(
        weight.requires_grad
        for module in modules
        for weight in ([module] if isinstance(module, nn.Parameter) else module.parameters())
    )
