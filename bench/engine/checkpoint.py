"""Checkpoints of a given shape with random weights and a real tokenizer."""

import random
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from bench.engine.sizes import Size
from groundtune.demo import LLAVA_CHECKPOINT

TEMPLATE = (
    "{% for m in messages %}USER: {% for c in m['content'] %}{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}"
    "{{ c['text'] }}{% endif %}{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<image>"]
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def checkpoint_of(size: Size, folder: Path) -> Path:
    """The folder that both sides read: the demo's own, or one written to `folder`."""
    if size.weights == "demo":
        return LLAVA_CHECKPOINT
    tokenizer = _tokenizer(size.vocabulary)
    config = _config(size, tokenizer)
    crop = {"height": size.image, "width": size.image}
    pixels: dict[str, Any] = {"size": {"shortest_edge": size.image}, "crop_size": crop}
    processor = LlavaProcessor(
        CLIPImageProcessorPil(**pixels), tokenizer, patch_size=size.patch, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=TEMPLATE,
    )  # fmt: skip
    if size.weights == "file":
        torch.manual_seed(0)
        LlavaForConditionalGeneration(config).eval().save_pretrained(folder)
    else:  # the folder must look like a checkpoint; 14 GB of noise need not go through a disk
        config.save_pretrained(folder)
        save_file({"none": torch.zeros(1)}, folder / "model.safetensors")
    processor.save_pretrained(folder)
    return folder


def _config(size: Size, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    tower = CLIPVisionConfig(
        hidden_size=size.tower_hidden, intermediate_size=size.tower_inner, num_hidden_layers=size.tower_layers,
        num_attention_heads=size.tower_heads, image_size=size.image, patch_size=size.patch,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=size.vocabulary, hidden_size=size.hidden, intermediate_size=size.inner,
        num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.heads,
        max_position_embeddings=8192, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    shape: dict[str, Any] = {"image_token_id": image_token, "image_seq_length": size.image_tokens}
    return LlavaConfig(vision_config=tower, text_config=text, **shape)


def _tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of exactly `vocabulary` tokens, trained on made-up words, so that every row of the head is a
    token that can be said."""
    rng = random.Random(0)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(3 * vocabulary)]
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator((" ".join(words[i : i + 100]) for i in range(0, len(words), 100)), trainer)
    if tokenizer.get_vocab_size() != vocabulary:
        raise ValueError(f"the tokenizer has {tokenizer.get_vocab_size()} tokens, expected {vocabulary}")
    start = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", start)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
