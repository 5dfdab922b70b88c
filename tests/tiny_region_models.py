"""Tiny random checkpoints of the region finders' models, in the real file formats, for tests."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    PreTrainedTokenizerFast,
    Sam3Config,
    Sam3Model,
    SamConfig,
    SamModel,
    Siglip2Config,
    Siglip2Model,
    SwinConfig,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.tiny_checkpoints import _widen

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def clip_tokenizer(positions: int) -> CLIPTokenizer:
    """Byte-level, without merges: any text can be read."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = alphabet + [piece + "</w>" for piece in alphabet] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=positions)


def _clip_text(tokenizer: CLIPTokenizer, positions: int) -> dict:
    return SMALL | {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": positions,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def tiny_siglip2(path: Path, patches: int = 24, positions: int = 16) -> Path:
    """Siglip2Model of flexible resolution: at most `patches` patches of 7 pixels, in the image's own shape."""
    tokenizer = clip_tokenizer(positions)
    config = Siglip2Config(
        text_config=_clip_text(tokenizer, positions) | {"projection_size": 32},
        vision_config=SMALL | {"patch_size": 7, "num_patches": 16},
    )
    return _save(path, Siglip2Model(config), tokenizer, Siglip2ImageProcessorPil(patch_size=7, max_num_patches=patches))


def tiny_clipseg(path: Path, side: int = 32) -> Path:
    """CLIPSegForImageSegmentation over 4 x 4 patches of 8 pixels."""
    tokenizer = clip_tokenizer(32)
    config = CLIPSegConfig(
        text_config=_clip_text(tokenizer, 32),
        vision_config=SMALL | {"image_size": side, "patch_size": 8},
        projection_dim=16,
        extract_layers=[0, 1],
        reduce_dim=16,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    )
    processor = ViTImageProcessorPil(size={"height": side, "width": side})
    return _save(path, CLIPSegForImageSegmentation(config), tokenizer, processor)


def bert_tokenizer() -> PreTrainedTokenizerFast:
    """WordPiece of single letters, with the special pieces at BERT's own ids: Grounding DINO knows them by number."""
    pieces = [f"[unused{i}]" for i in range(1100)]
    pieces[0], pieces[100], pieces[101], pieces[102], pieces[1012], pieces[1029] = (
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "?",
    )  # fmt: skip
    for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        pieces[1030 + i], pieces[1060 + i] = letter, "##" + letter
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 101), ("[SEP]", 102)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def tiny_grounding_dino(path: Path) -> Path:
    """GroundingDinoForObjectDetection with a two-stage Swin, a two-layer BERT and five queries."""
    tokenizer = bert_tokenizer()
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, out_indices=[1, 2]
        ),
        text_config=BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **SMALL),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=5,
        num_feature_levels=3,
        max_text_len=64,
    )
    processor = GroundingDinoImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 80})
    return _save(path, GroundingDinoForObjectDetection(config), tokenizer, processor, spread=4.0)


def tiny_sam(path: Path, side: int = 64) -> Path:
    """SamModel over 8 x 8 patches of 8 pixels."""
    config = SamConfig(
        vision_config={
            "hidden_size": 32, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": side, "patch_size": 8, "window_size": 4, "global_attn_indexes": [1], "mlp_dim": 32,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": side, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    processor = SamImageProcessorPil(
        size={"longest_edge": side},
        pad_size={"height": side, "width": side},
        mask_size={"longest_edge": 32},
        mask_pad_size={"height": 32, "width": 32},
    )
    return _save(path, SamModel(config), None, processor)


def tiny_sam3(path: Path, side: int = 56) -> Path:
    """Sam3Model over 4 x 4 patches of 14 pixels, with the processor file that Sam3Processor.save_pretrained writes."""
    tokenizer = clip_tokenizer(16)
    heads = {"hidden_size": 32, "num_attention_heads": 2}
    layers = heads | {"num_layers": 1, "intermediate_size": 32}
    grid = side // 14
    config = Sam3Config(
        vision_config={
            "backbone_config": SMALL
            | {"model_type": "sam3_vit_model", "image_size": side, "patch_size": 14, "window_size": 2,
               "global_attn_indexes": [1], "pretrain_image_size": 28},
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[4 * grid, 4 * grid], [2 * grid, 2 * grid], [grid, grid]],
        },
        text_config=_clip_text(tokenizer, 16) | {"model_type": "clip_text_model", "projection_dim": 16},
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config=layers | {"num_queries": 6},
        mask_decoder_config=heads,
    )  # fmt: skip
    _save(path, Sam3Model(config), tokenizer, None)
    images = {
        "image_processor_type": "Sam3ImageProcessor",
        "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True,
        "size": {"height": side, "width": side}, "mask_size": {"height": 16, "width": 16}, "resample": 2,
        "rescale_factor": 1 / 255, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    }  # fmt: skip
    processor = {"image_processor": images, "processor_class": "Sam3Processor", "target_size": side}
    (path / "processor_config.json").write_text(json.dumps(processor))
    return path


def _save(path: Path, model: torch.nn.Module, tokenizer, image_processor, spread: float = 6.0) -> Path:
    _widen(model, 0, spread)
    model.eval().save_pretrained(path)
    for part in (tokenizer, image_processor):
        if part is not None:
            part.save_pretrained(path)
    return path
