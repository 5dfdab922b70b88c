"""A tiny LLaVA on the tower of a CLIP: its captions learn biased language, its yes/no answers learn the truth."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from groundtune.demo.captions import CAPTION_PROMPTS, biased_claims, caption, draw_style
from groundtune.demo.corpus import PATCH_SIZE, PATCHES, SceneArrays, normalised
from groundtune.demo.packing import IGNORED, PackedBatch, Turn, pack
from groundtune.demo.picture_world import PictureWorld
from groundtune.demo.questions import (
    Question,
    attribute_question,
    existence_claim,
    existence_question,
    kind_question,
    lookup_question,
    statement_question,
)
from groundtune.demo.schedule import cosine_schedule
from groundtune.demo.vocabulary import build_tokenizer
from groundtune.demo.world import Scene

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPProcessor, LlavaForConditionalGeneration, LlavaProcessor

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'user' -%}{{ 'USER: ' }}"
    "{%- elif message.role == 'assistant' -%}{{ ' ASSISTANT: ' }}{%- endif -%}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}"
    "{%- for part in message.content if part.type == 'image' -%}{{ '<image>\n' }}{%- endfor -%}"
    "{%- for part in message.content if part.type == 'text' -%}{{ part.text }}{%- endfor -%}"
    "{%- endif -%}"
    "{%- if message.role == 'assistant' -%}{{ '</s>' }}{%- elif message.role == 'system' -%}{{ ' ' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ ' ASSISTANT:' }}{%- endif -%}"
)


@dataclass(frozen=True)
class LlavaSettings:
    """naming_steps: projector and word vectors alone. question_steps: short questions alone. mixed_steps: captions
    and all questions."""

    naming_steps: int = 400
    naming_batch: int = 64
    question_steps: int = 280
    mixed_steps: int = 1200
    batch: int = 24
    learning_rate: float = 2e-3
    naming_rate: float = 3e-3
    embedding_std: float = 0.1
    match: float = 0.8
    matching_layers: int = 2
    width: int = 160
    layers: int = 4
    heads: int = 4
    positions: int = 512


def llava_processor(world: PictureWorld, clip_processor: CLIPProcessor, positions: int) -> LlavaProcessor:
    from transformers import LlavaProcessor

    return LlavaProcessor(
        image_processor=clip_processor.image_processor,
        tokenizer=build_tokenizer(world, 0, image_token=True, eos_at_end=False, max_length=positions),
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def new_llava(tower: CLIPModel, processor: LlavaProcessor, settings: LlavaSettings) -> LlavaForConditionalGeneration:
    """LLaVA-1.5 in small: the penultimate layer of a CLIP tower, a two-layer projector, a Llama."""
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    tokenizer = processor.tokenizer
    special = {
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    language = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=settings.width, intermediate_size=8 * settings.width // 3,
        num_hidden_layers=settings.layers, num_attention_heads=settings.heads,
        max_position_embeddings=settings.positions, tie_word_embeddings=True, **special,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=tower.config.vision_config, text_config=language, tie_word_embeddings=True,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=PATCHES,
        vision_feature_layer=-2, vision_feature_select_strategy="default", **special,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.vision_model.state_dict())
    model.generation_config.update(**special, max_new_tokens=96)
    return model


@torch.no_grad()
def tower_features(
    model: LlavaForConditionalGeneration, clip_processor: CLIPProcessor, pixels: np.ndarray
) -> torch.Tensor:
    """What the frozen tower gives to the projector, computed once. [N, 36, D] float16."""
    tower, layer = model.model.vision_tower.eval(), model.config.vision_feature_layer
    found = []
    for start in range(0, len(pixels), 128):
        hidden = tower(normalised(pixels[start : start + 128], clip_processor), output_hidden_states=True).hidden_states
        found.append(hidden[layer][:, 1:].half())
    return torch.cat(found)


def question_turns(scene: Scene, rng: random.Random) -> list[Turn]:
    """Short questions alone: they have to find a word's patches before captions leave them no room to."""
    return [_kind_turn(scene, rng) for _ in range(5)] + [_turn(lookup_question(scene, rng)) for _ in range(4)]


def mixed_turns(scene: Scene, rng: random.Random) -> list[Turn]:
    """A biased caption and truthful answers to every sort of question."""
    said = caption(biased_claims(scene, rng), draw_style(rng))
    turns = [Turn(rng.choice(CAPTION_PROMPTS), said, True)]
    turns += [_kind_turn(scene, rng) for _ in range(2)]
    asked = existence_question(scene, rng), attribute_question(scene, rng), statement_question(scene, rng)
    return turns + [_turn(question) for question in asked]


def _kind_turn(scene: Scene, rng: random.Random) -> Turn:
    kind = existence_claim(scene, rng.random() < 0.5, rng).kind
    return Turn(kind_question(kind), "Yes" if kind in scene.kinds else "No", False)


def _turn(question: Question) -> Turn:
    return Turn(question.text, question.answer, False)


def train_llava(
    seed: int,
    tower: CLIPModel,
    clip_processor: CLIPProcessor,
    data: SceneArrays,
    settings: LlavaSettings,
    report: Callable[[str], None],
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Next-token loss on answers; the tower stays as CLIP left it, as in LLaVA-1.5.

    Yes/no answers stay at chance for thousands of steps unless a word finds its patches. Three things make it: patches
    are projected onto the words for what they show first (LLaVA's stage 1, in small), word vectors start as large as
    projected patches, and the first layers start out attending to what is alike (`_attend_to_alike`).
    """
    torch.manual_seed(seed)
    processor = llava_processor(data.world, clip_processor, settings.positions)
    model = new_llava(tower, processor, settings)
    words: Any = model.get_input_embeddings()
    torch.nn.init.normal_(words.weight, std=settings.embedding_std)
    features = tower_features(model, clip_processor, data.pixels)
    names = patch_names(data, processor)
    rng = random.Random(f"groundtune-demo/llava/{seed}")
    projector = model.model.multi_modal_projector

    first = torch.optim.AdamW([*projector.parameters(), words.weight], lr=settings.naming_rate)
    for _ in range(settings.naming_steps):
        rows = rng.sample(range(len(data.scenes)), min(settings.naming_batch, len(data.scenes)))
        loss = _naming_loss(model, projector(features[rows].float()), names[rows])
        first.zero_grad()
        loss.backward()
        first.step()
    report(f"llava seed {seed} naming {loss.item():.3f}")
    _attend_to_alike(model, settings)

    def phase(steps: int, turns_of: Callable[[Scene, random.Random], list[Turn]], label: str) -> None:
        parameters = [weight for name, weight in model.named_parameters() if "vision_tower" not in name]
        optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
        schedule = cosine_schedule(optimizer, steps)
        model.train()
        for step in range(steps):
            rows = rng.sample(range(len(data.scenes)), min(settings.batch, len(data.scenes)))
            batch = pack([turns_of(data.scenes[row], rng) for row in rows], processor.tokenizer, PATCHES)
            pictures = projector(features[rows].float())
            caption_loss, answer_loss = _losses(model, batch, pictures)
            # Averaged apart: an answer is two tokens, a caption forty, and questions would otherwise be learned last.
            loss = caption_loss + answer_loss + 0.3 * _naming_loss(model, pictures, names[rows])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            if step % 50 == 49 or step == steps - 1:
                report(
                    f"llava seed {seed} {label} {step + 1}/{steps} "
                    f"captions {caption_loss.item():.3f} answers {answer_loss.item():.3f}"
                )

    phase(settings.question_steps, question_turns, "questions")
    phase(settings.mixed_steps, mixed_turns, "captions and questions")
    return model.eval(), processor


@torch.no_grad()
def _attend_to_alike(model: LlavaForConditionalGeneration, settings: LlavaSettings) -> None:
    """Query and key of the first layers start near the same multiple of the identity, so that a word attends to the
    patches that were projected near it (after Trockman and Kolter 2023, mimetic initialisation)."""
    for layer in list(model.model.language_model.layers)[: settings.matching_layers]:
        for weight in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight):
            weight.mul_(0.5).add_(settings.match * torch.eye(settings.width))


def _losses(
    model: LlavaForConditionalGeneration, batch: PackedBatch, pictures: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean nats per token of the captions and of the yes/no answers. pictures [B, 36, H], projected."""
    embeds = model.get_input_embeddings()(batch.ids)
    places = (batch.ids == model.config.image_token_id)[..., None]
    embeds = embeds.masked_scatter(places, pictures.flatten(0, 1))
    hidden = model.model.language_model(
        inputs_embeds=embeds, attention_mask=batch.visible, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    wanted = batch.labels != IGNORED
    nats = F.cross_entropy(model.lm_head(hidden[wanted]), batch.labels[wanted], reduction="none")
    is_caption = batch.in_caption[wanted]
    none = torch.zeros(())
    captions = nats[is_caption].mean() if is_caption.any() else none
    return captions, nats[~is_caption].mean()


def patch_names(data: SceneArrays, processor: LlavaProcessor) -> torch.Tensor:
    """The word tokens of what each patch shows: kind, and colour where the world has colours.

    [N, 36, 1 or 2] int64, IGNORED where it shows nothing.
    """
    known = data.world.inventory
    entity = data.cover.argmax(1)  # [N, 36]
    codes = np.take_along_axis(data.codes, entity[..., None], axis=1)  # [N, 36, 4]
    names = np.stack(
        [
            np.array([_token(word, processor) for word in words])[codes[..., column]]
            for column, words in enumerate((known.kinds, known.colours))
            if words
        ],
        axis=-1,
    )
    names[data.cover.max(1) < 0.4] = IGNORED
    return torch.from_numpy(names)


def _token(word: str, processor: LlavaProcessor) -> int:
    ids = processor.tokenizer(f" {word}", add_special_tokens=False).input_ids
    if len(ids) != 1:
        raise ValueError(f"the tokenizer cuts {word!r} into {len(ids)} tokens, expected 1: enlarge VOCABULARY_SIZE")
    return ids[0]


def _naming_loss(model: LlavaForConditionalGeneration, pictures: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
    """A projected patch lies near the words for what it shows, which is what LLaVA's first stage is for.

    Without it, questions stay at chance long after captions are good: no word finds its patch. pictures [B, 36, H].
    """
    shown = names[..., 0] != IGNORED
    logits = F.linear(pictures[shown], model.model.language_model.embed_tokens.weight)  # [M, V]
    return torch.stack([F.cross_entropy(logits, words) for words in names[shown].unbind(-1)]).mean()
