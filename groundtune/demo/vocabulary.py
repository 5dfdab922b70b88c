"""The tokenizer of both models: byte-level BPE learned from the world's language, so any text can be encoded."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from groundtune.demo.captions import CAPTION_PROMPTS, biased_claims, caption, draw_style
from groundtune.demo.picture_world import PictureWorld
from groundtune.demo.questions import SHORT_ANSWER, attribute_question, existence_question, statement_question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, IMAGE = "<pad>", "<s>", "</s>", "<image>"
VOCABULARY_SIZE = 576
TEXT_POSITIONS = 64


def build_tokenizer(
    world: PictureWorld, seed: int, *, image_token: bool, eos_at_end: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Deterministic for a seed. Every text begins with <s>, as LLaVA's and CLIP's do; CLIP's also ends with </s>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # </s> must not be 2: CLIPTextModel then pools at the largest id instead of at </s>, for old checkpoints' sake.
    special = [PAD, IMAGE, BOS, EOS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(world, seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}" if eos_at_end else f"{BOS} $A",
        special_tokens=[(BOS, special.index(BOS)), (EOS, special.index(EOS))],
    )
    extra = {"extra_special_tokens": {"image_token": IMAGE}} if image_token else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD,
        model_max_length=max_length, padding_side="right", clean_up_tokenization_spaces=False, **extra,
    )  # fmt: skip


def _texts(world: PictureWorld, seed: int) -> list[str]:
    rng = random.Random(f"groundtune-demo/vocabulary/{seed}")
    words = [f"a photo of a {world.inventory.kinds[0]}", f"USER: \n{SHORT_ANSWER}"]
    texts = list(CAPTION_PROMPTS) * 400 + words * 400
    for scene in world.scenes(seed, "models", 2000):
        texts.append(caption(biased_claims(scene, rng), draw_style(rng)))
        for draw in (existence_question, statement_question, attribute_question):
            question = draw(scene, rng)
            # With the space before it, so that " Yes" is one token: yes/no scorers read an answer's first token.
            texts.append(f"{question.text} ASSISTANT: {question.answer}")
    return texts
