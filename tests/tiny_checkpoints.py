"""Tiny random checkpoints in the real file formats, for tests: well under a second each, no network.

They are what `save_pretrained` writes for the large models: config.json, model.safetensors, tokenizer and
processor files. The weights are random with a larger spread than usual, so that a wrong mask or position
shows in the log-probs.
"""

from functools import cache
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

IMAGE = 28  # pixels a side
PATCH = 7
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ 'USER: ' if m['role'] == 'user' else 'ASSISTANT: ' }}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}{{ '<image>\n' }}{% endif %}{% endfor %}"
    "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}"
    " {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CORPUS = (
    "USER: ASSISTANT: Describe this image. Is there a cat in the image? Please answer yes or no. Yes No",
    "A red circle is left of a blue square. There is a dog, a cup and a banana. What is in the picture?",
)


@cache
def _bpe() -> str:
    """A byte-level BPE of some 400 tokens, as JSON: any text can be written and read back exactly."""
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<s>", "</s>", "<image>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer.to_str()


def _tokenizer(pad: bool = True, **settings) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_bpe()),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>" if pad else None,
        extra_special_tokens={"image_token": "<image>"},
        **settings,
    )


def _widen(model: torch.nn.Module, seed: int, spread: float = 6.0) -> None:
    """Scale the random weight matrices so that answers depend visibly on image and prefix."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.02 * spread)


def _text_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _vision_config() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=IMAGE,
        patch_size=PATCH,
        projection_dim=16,
    )


def _pixels() -> dict:
    return {"size": {"shortest_edge": IMAGE}, "crop_size": {"height": IMAGE, "width": IMAGE}}


def tiny_llava(
    path: str | Path,
    seed: int = 0,
    chat_template: str | None = CHAT_TEMPLATE,
    processor_settings: dict | None = None,
    pad: bool = True,
) -> Path:
    """LLaVA-1.5 in small: CLIP tower (4x4 patches), projector, two-layer Llama. Returns `path`.

    processor_settings: overrides patch_size, vision_feature_select_strategy or num_additional_image_tokens.
    """
    tokenizer = _tokenizer(pad)
    config = LlavaConfig(
        vision_config=_vision_config(),
        text_config=_text_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(IMAGE // PATCH) ** 2,
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    _widen(model, seed)
    settings = {
        "patch_size": PATCH,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
    }
    processor = LlavaProcessor(
        CLIPImageProcessorPil(**_pixels()),
        tokenizer,
        chat_template=chat_template,
        **(settings | (processor_settings or {})),
    )
    return _save(path, model, processor)


def tiny_llava_next(path: str | Path, seed: int = 0) -> Path:
    """LLaVA-1.6 in small: several grid pinpoints, so that the number of image tokens depends on the image's
    shape.
    """
    tokenizer = _tokenizer()
    pinpoints = [[IMAGE, 2 * IMAGE], [2 * IMAGE, IMAGE], [2 * IMAGE, 2 * IMAGE], [3 * IMAGE, IMAGE]]
    config = LlavaNextConfig(
        vision_config=_vision_config(),
        text_config=_text_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
    )
    torch.manual_seed(seed)
    model = LlavaNextForConditionalGeneration(config)
    _widen(model, seed)
    processor = LlavaNextProcessor(
        LlavaNextImageProcessorPil(image_grid_pinpoints=pinpoints, **_pixels()),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    return _save(path, model, processor)


def tiny_clip(path: str | Path, text_positions: int = 77, seed: int = 0) -> Path:
    """CLIPModel with a byte-level CLIPTokenizer that reads `text_positions` tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = alphabet + [piece + "</w>" for piece in alphabet] + ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=text_positions
    )
    text = {
        "vocab_size": len(pieces),
        "max_position_embeddings": text_positions,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=small | text,
        vision_config=small | {"image_size": IMAGE, "patch_size": PATCH},
        projection_dim=16,
    )
    torch.manual_seed(seed)
    return _save(path, CLIPModel(config), CLIPProcessor(CLIPImageProcessorPil(**_pixels()), tokenizer))


def tiny_siglip(path: str | Path, text_positions: int = 64, seed: int = 0) -> Path:
    """SiglipModel; its tokenizer appends </s> and pads to `text_positions`, as SigLIP's does."""
    tokenizer = _tokenizer(model_max_length=text_positions)
    eos = tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", eos)]
    )
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": text_positions,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": eos,
    }
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config=small | text | {"projection_size": 32},
        vision_config=small | {"image_size": IMAGE, "patch_size": PATCH},
    )
    torch.manual_seed(seed)
    pixels = SiglipImageProcessorPil(size={"height": IMAGE, "width": IMAGE})
    return _save(path, SiglipModel(config), SiglipProcessor(pixels, tokenizer))


def tiny_adapter(path: str | Path, base: str | Path, seed: int = 1) -> Path:
    """A LoRA adapter (rank 4, attention of the language model, no zero start) for the LLaVA checkpoint at
    `base`.
    """
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(base)
    targets = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
    torch.manual_seed(seed)
    adapted = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False)
    )
    adapted.save_pretrained(str(path))
    return Path(path)


def _save(path: str | Path, model, processor) -> Path:
    model.eval().save_pretrained(path)
    processor.save_pretrained(path)
    return Path(path)
