"""Promises about patch features: they are in the space of images and texts, and a value knows its own patch only."""

import pytest
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

from groundtune.preferences.image_preference.regions.patch_features import encode_patches, unit_texts

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "vocab_size": 50}
SIDE = 7


def model(family: str, layers: int, patches_a_side: int):
    torch.manual_seed(0)
    small = SMALL | {"num_hidden_layers": layers}
    if family == "siglip2":
        vision = small | {"patch_size": SIDE, "num_patches": patches_a_side**2}
        return Siglip2Model(Siglip2Config(text_config=small | {"projection_size": 32}, vision_config=vision)).eval()
    vision = small | {"patch_size": SIDE, "image_size": SIDE * patches_a_side}
    if family == "siglip":
        return SiglipModel(SiglipConfig(text_config=small | {"projection_size": 32}, vision_config=vision)).eval()
    return CLIPModel(CLIPConfig(text_config=small, vision_config=vision, projection_dim=16)).eval()


def inputs(family: str, rows: int, columns: int, padding: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    if family != "siglip2":
        return {"pixel_values": torch.randn(1, 3, SIDE * rows, SIDE * columns, generator=generator)}
    pixels = torch.randn(1, rows * columns, 3 * SIDE * SIDE, generator=generator)
    empty = torch.zeros(1, padding, 3 * SIDE * SIDE)
    return {
        "pixel_values": torch.cat([pixels, empty], 1),
        "pixel_attention_mask": torch.tensor([[1] * (rows * columns) + [0] * padding]),
        "spatial_shapes": torch.tensor([[rows, columns]]),
    }


@pytest.mark.parametrize("family", ["clip", "siglip", "siglip2"])
@pytest.mark.parametrize("kind", ["output", "value"])
@torch.inference_mode()
def test_every_patch_gets_a_unit_vector_of_the_text_s_space(family: str, kind: str) -> None:
    tiny = model(family, 2, 3)
    features, whole = encode_patches(tiny, inputs(family, 3, 3), kind)
    texts = unit_texts(tiny, {"input_ids": torch.tensor([[1, 2, 3, 49]])})
    assert features.shape == (3, 3, texts.shape[1]) and whole.shape == texts[0].shape
    assert torch.allclose(features.norm(dim=-1), torch.ones(3, 3), atol=1e-5)


@pytest.mark.parametrize("family", ["siglip", "siglip2"])
@pytest.mark.parametrize("kind", ["output", "value"])
@torch.inference_mode()
def test_an_image_of_one_patch_has_that_patch_s_feature(family: str, kind: str) -> None:
    """Attention over one patch is the identity: so features of patches are where features of images are."""
    tiny, seen = model(family, 2, 1), inputs(family, 1, 1)
    image = torch.nn.functional.normalize(tiny.get_image_features(**seen).pooler_output, dim=-1)
    patches, whole = encode_patches(tiny, seen, kind)
    assert torch.allclose(patches[0, 0], image[0], atol=1e-5)
    assert torch.allclose(whole, image[0], atol=1e-5)


@torch.inference_mode()
def test_clip_s_output_features_are_made_as_its_image_features_are() -> None:
    """The class token and the patches go through the same layer norm and projection."""
    tiny, seen = model("clip", 2, 3), inputs("clip", 3, 3)
    hidden = tiny.vision_model(**seen).last_hidden_state
    as_image = tiny.visual_projection(tiny.vision_model.post_layernorm(hidden))[0]
    assert torch.allclose(as_image[0], tiny.get_image_features(**seen).pooler_output[0], atol=1e-5)
    expected = torch.nn.functional.normalize(as_image[1:], dim=-1).reshape(3, 3, -1)
    patches, whole = encode_patches(tiny, seen, "output")
    assert torch.allclose(patches, expected, atol=1e-5)
    assert torch.allclose(whole, torch.nn.functional.normalize(as_image[0], dim=-1), atol=1e-5)


@pytest.mark.parametrize("family", ["clip", "siglip"])
@torch.inference_mode()
def test_the_last_layer_s_value_of_a_patch_knows_that_patch_only(family: str) -> None:
    tiny, seen = model(family, 1, 3), inputs(family, 3, 3)  # one layer: no other has mixed the patches
    changed = {"pixel_values": seen["pixel_values"].clone()}
    changed["pixel_values"][:, :, :SIDE, :SIDE] += 1.0

    def moved(kind: str) -> Tensor:
        return (encode_patches(tiny, seen, kind)[0] - encode_patches(tiny, changed, kind)[0]).abs().amax(-1) > 1e-6

    assert moved("value").nonzero().tolist() == [[0, 0]]
    assert moved("output").all()


@torch.inference_mode()
def test_padding_of_a_flexible_image_does_not_matter_and_is_no_patch() -> None:
    tiny = model("siglip2", 2, 4)
    exact, _ = encode_patches(tiny, inputs("siglip2", 2, 5), "output")
    padded, _ = encode_patches(tiny, inputs("siglip2", 2, 5, padding=6), "output")
    assert exact.shape[:2] == padded.shape[:2] == (2, 5)
    assert torch.allclose(exact, padded, atol=1e-5)
