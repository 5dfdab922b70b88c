"""Image features after the projector, and the embeddings of a whole prefix."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundtune.vlm.feature_cache import KeptImage
from groundtune.vlm.loader import Vlm
from groundtune.vlm.prompt import Prefix
from groundtune.vlm.sharing import evaluating


def image_features(vlm: Vlm, prefixes: list[Prefix]) -> list[Tensor]:
    """Projected features [N_i, D] (model dtype) of each prefix's image; equal images are encoded once.

    Each image runs through the tower alone, so that its features depend on no other, nor on what is kept. That is done
    without a graph when tower and projector are frozen; then vlm.features is asked first, and keeps what is new.
    """
    distinct = {prefix.image_key: prefix for prefix in prefixes}
    trained = torch.is_grad_enabled() and _trainable(vlm.family.image_modules(vlm.base))
    with torch.set_grad_enabled(trained):
        found = {key: _encoded(vlm, one) if trained else _kept(vlm, one) for key, one in distinct.items()}
    return [found[prefix.image_key] for prefix in prefixes]


def _encoded(vlm: Vlm, prefix: Prefix) -> Tensor:
    """Features of one image [N, D], from the tower."""
    inputs = {key: placed(prefix.pixels[key], vlm) for key in vlm.family.pixel_inputs}
    (features,) = vlm.family.image_features(vlm.base, inputs)
    return features


def _frozen(vlm: Vlm, prefix: Prefix) -> Tensor:
    """Features of one image [N, D], from the tower in eval mode: a trainer puts the frozen one into training mode."""
    with evaluating(*(one for one in vlm.family.image_modules(vlm.base) if isinstance(one, nn.Module))):
        return _encoded(vlm, prefix)


def _kept(vlm: Vlm, prefix: Prefix) -> Tensor:
    """Features of one image [N, D], from the tower only when they are not kept."""
    if vlm.features is None:
        return _frozen(vlm, prefix)
    key = prefix.file_sha256 or prefix.image_key
    kept = vlm.features.get(key)
    if kept is None:
        features = _frozen(vlm, prefix)
        vlm.features.put(key, KeptImage(features, prefix.image_key, prefix.image_size))
        return features
    return kept.features.to(vlm.device)


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
