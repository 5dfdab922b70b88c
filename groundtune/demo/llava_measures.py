"""What the tiny LLaVA says of held-out scenes, against the truth."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from groundtune.demo.captions import CAPTION_PROMPTS
from groundtune.demo.claims import absent_companions, absent_kinds
from groundtune.demo.clip_measures import auc, image_features, text_features
from groundtune.demo.corpus import PATCHES, SceneArrays, normalised
from groundtune.demo.language import mentions, sentences_of
from groundtune.demo.packing import prompt_text
from groundtune.demo.questions import existence_question, kind_question, statement_question
from groundtune.demo.world import Scene

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPProcessor, LlavaForConditionalGeneration, LlavaProcessor

Llava = tuple["LlavaForConditionalGeneration", "LlavaProcessor"]
Clip = tuple["CLIPModel", "CLIPProcessor"]


@torch.no_grad()
def answers(
    llava: Llava, pixels: np.ndarray, questions: list[str], owner: list[int], batch: int = 256, **generation: Any
) -> list[str]:
    """One generated answer a question; `owner` is the row of its picture."""
    model: Any = llava[0]  # its `generate` is typed against a protocol that the class itself does not meet
    processor = llava[1]
    tokenizer = processor.tokenizer
    order = sorted(range(len(questions)), key=lambda index: len(questions[index]))
    found = [""] * len(questions)
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        texts = [prompt_text(questions[index]).replace("<image>", "<image>" * PATCHES) for index in chunk]
        tokens = tokenizer(texts, padding=True, padding_side="left", return_tensors="pt")
        pictures = normalised(pixels[[owner[index] for index in chunk]], processor)
        output = model.generate(
            input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=pictures, **generation
        )
        decoded = tokenizer.batch_decode(output[:, tokens.input_ids.shape[1] :], skip_special_tokens=True)
        for index, text in zip(chunk, decoded, strict=True):
            found[index] = text.strip()
    return found


def hallucinates(text: str, scene: Scene) -> bool:
    """Whether a text names a kind that is not there."""
    return any(mention.kind not in scene.kinds for mention in mentions(text, scene.inventory))


def wrong_attribute(text: str, scene: Scene) -> bool:
    """Whether a text gives a kind that is there a colour or a number that it has not."""
    truth = {entity.kind: (entity.colour, entity.count) for entity in scene.entities}
    said = mentions(text, scene.inventory)
    return any(one.kind in truth and (one.colour, one.count) != truth[one.kind] for one in said)


def caption_measures(llava: Llava, data: SceneArrays, longest: int = 96) -> dict[str, float]:
    """Greedy captions: coverage of the kinds, share with a kind that is not there, words."""
    texts = answers(llava, data.pixels, [CAPTION_PROMPTS[0]] * len(data.scenes), list(range(len(data.scenes))),
                    do_sample=False, max_new_tokens=longest)  # fmt: skip
    seen = total = 0
    for text, scene in zip(texts, data.scenes, strict=True):
        said = {mention.kind for mention in mentions(text, scene.inventory)}
        seen += len(said & set(scene.kinds))
        total += len(scene.kinds)
    pairs = list(zip(texts, data.scenes, strict=True))
    tokens = [len(ids) for ids in llava[1].tokenizer(texts).input_ids]
    return {
        "coverage": seen / total,
        "hallucinating_captions": float(np.mean([hallucinates(text, scene) for text, scene in pairs])),
        "wrong_attribute_captions": float(np.mean([wrong_attribute(text, scene) for text, scene in pairs])),
        "tokens_mean": float(np.mean(tokens)),
        "tokens_max": float(np.max(tokens)),
    }


def question_measures(llava: Llava, data: SceneArrays, seed: int = 0) -> dict[str, float]:
    """Accuracy of yes/no answers: kinds that are there, companions, other absent kinds, and balanced mixtures."""
    rng = random.Random(f"groundtune-demo/question-measures/{seed}")
    asked: dict[str, list[tuple[int, str, str]]] = {
        name: [] for name in ("present", "companion", "absent", "existence", "statement")
    }
    for row, scene in enumerate(data.scenes):
        asked["present"].append((row, kind_question(rng.choice(scene.kinds)), "Yes"))
        if expected := absent_companions(scene):
            asked["companion"].append((row, kind_question(expected[0]), "No"))
        asked["absent"].append((row, kind_question(rng.choice(absent_kinds(scene))), "No"))
        for name, draw in (("existence", existence_question), ("statement", statement_question)):
            question = draw(scene, rng)
            asked[name].append((row, question.text, question.answer))
    measures = {}
    for name, listed in asked.items():
        said = answers(llava, data.pixels, [text for _, text, _ in listed], [row for row, _, _ in listed],
                       do_sample=False, max_new_tokens=3)  # fmt: skip
        measures[name] = float(np.mean([text == right for text, (_, _, right) in zip(said, listed, strict=True)]))
    return measures


def pool_measures(
    llava: Llava, clip: Clip, data: SceneArrays, size: int = 8, seed: int = 0, longest: int = 96
) -> dict[str, float]:
    """Pools at temperature 1, top-p .95: how many hold good and bad answers, and whether CLIP tells them apart.

    The AUC is within pools: over pairs of a clean and a hallucinating answer to the same picture.
    """
    torch.manual_seed(seed)
    owner = [row for row in range(len(data.scenes)) for _ in range(size)]
    texts = answers(llava, data.pixels, [CAPTION_PROMPTS[0]] * len(owner), owner,
                    do_sample=True, temperature=1.0, top_p=0.95, top_k=0, max_new_tokens=longest)  # fmt: skip
    images = image_features(*clip, data.pixels)
    sentences = sorted({part for text in texts for part in sentences_of(text)}) or [""]
    place = {part: index for index, part in enumerate(sentences)}
    text_side = text_features(*clip, sentences)
    mixed, distinct, rates, aucs, strict_aucs = [], [], [], [], []
    for row, scene in enumerate(data.scenes):
        pool = texts[row * size : (row + 1) * size]
        parts = [[place[part] for part in sentences_of(text)] for text in pool]
        scores = np.array([(text_side[part] @ images[row]).min().item() if part else -1.0 for part in parts])
        bad = np.array([hallucinates(text, scene) for text in pool])
        worse = bad | np.array([wrong_attribute(text, scene) for text in pool])
        mixed.append(0 < bad.sum() < size)
        distinct.append(len(set(pool)))
        rates.append(bad.mean())
        if mixed[-1]:
            aucs.append(auc(scores[~bad], scores[bad]))
        if 0 < worse.sum() < size:
            strict_aucs.append(auc(scores[~worse], scores[worse]))
    return {
        "mixed_pools": float(np.mean(mixed)),
        "distinct": float(np.mean(distinct)),
        "hallucinating_samples": float(np.mean(rates)),
        "clip_min_auc": float(np.mean(aucs)) if aucs else float("nan"),
        "clip_min_auc_with_attributes": float(np.mean(strict_aucs)) if strict_aucs else float("nan"),
    }
