"""How much faster is the training step with four branches in one packed pass and a cached reference?

    python -m bench.objective_step

Side by side on the same pairs and weights: the step as it is usually written (three passes of the policy over padded
batches, three of the reference with the adapters off, logits at every position), and ours (one packed pass, reference
from the cache, logits at answer positions, features of the frozen tower kept). Losses and gradients are compared before
anything is timed. Writes bench/results/objective_step.json; only the ratios mean anything.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from bench.machine import describe
from groundtune.settings import TrainingSettings
from groundtune.training import objective
from groundtune.training.branch_rewards import pair_logprobs, references_of, rewards_of
from groundtune.training.lora import add_lora
from groundtune.training.pair_data import PairExample
from groundtune.vlm.feature_identity import open_features
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import Prefix, encode_prefix
from tests.tiny_checkpoints import tiny_llava

OUT = Path("bench/results/objective_step.json")
SETTINGS = TrainingSettings(lora_rank=16, lora_alpha=32)


def model_in_proportion(folder: Path, device: str) -> Vlm:
    """A random LLaVA with the proportions of LLaVA-1.5-7B in small: 576 image tokens; tower and head have about its
    share of the arithmetic (a vocabulary of 32,000 on so narrow a model would make the head half of it, and flatter
    us).
    """
    reader = load_vlm(tiny_llava(folder / "tiny"), device="cpu")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=64, intermediate_size=256, num_hidden_layers=4, num_attention_heads=2, image_size=336,
            patch_size=14,
        ),
        text_config=LlamaConfig(
            vocab_size=448, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=4096,
        ),
        image_token_id=reader.config.image_token_id, image_seq_length=576,
    )  # fmt: skip
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).eval().save_pretrained(folder / "model")
    processor = reader.processor
    processor.image_processor.size = {"shortest_edge": 336}
    processor.image_processor.crop_size = {"height": 336, "width": 336}
    processor.patch_size = 14
    processor.save_pretrained(folder / "model")
    return load_vlm(folder / "model", device=device)


def made_up_pairs(vlm: Vlm, count: int, lengths: tuple[int, int], seed: int = 0) -> list[PairExample]:
    """Pairs of random answers about random images; the reference is computed from the model itself."""
    random = np.random.default_rng(seed)
    pairs = []
    for i in range(count):
        pixels = random.integers(0, 256, (336, 336, 3), dtype=np.uint8)
        prefixes = [
            encode_prefix(vlm, f"p{i}", "Describe this image in detail.", Image.fromarray(image))
            for image in (pixels, 255 - pixels)
        ]
        chosen, rejected = (random.integers(4, 400, random.integers(*lengths)).tolist() for _ in range(2))
        empty = torch.empty(0)
        pairs.append(PairExample(f"p{i}", prefixes[0], chosen, rejected, empty, empty, 1.0, prefixes[1], empty))
    with torch.no_grad():
        found = pair_logprobs(vlm, pairs)
    return [
        PairExample(
            p.pair_id, p.prefix, p.chosen, p.rejected, one.chosen.cpu(), one.rejected.cpu(), 1.0, p.corrupted,
            one.corrupted.cpu() if one.corrupted is not None else None,
        )
        for p, one in zip(pairs, found, strict=True)
    ]  # fmt: skip


def mfpo_loss(chosen: Tensor, rejected: Tensor, corrupted: Tensor) -> Tensor:
    """Mean of L_text + L_image + L_margin at weights 1:1:1. All [B] rewards."""
    return (
        objective.text_term(chosen, rejected)
        + objective.image_term(chosen, corrupted)
        + objective.margin_term(chosen, SETTINGS.eta)
    ).mean()


def packed_step(vlm: Vlm, pairs: list[PairExample]) -> Tensor:
    """Ours."""
    rewards = rewards_of(pairs, pair_logprobs(vlm, pairs), [references_of(pair) for pair in pairs], SETTINGS.beta)
    return mfpo_loss(rewards.chosen, rewards.rejected, rewards.corrupted)


def plain_step(vlm: Vlm, pairs: list[PairExample]) -> Tensor:
    """As it is usually written: y_w and y_l concatenated to one padded batch, then y_w with the corrupted image; the
    same again without adapters."""
    policy = _three_passes(vlm, pairs)
    with torch.no_grad(), vlm.model.disable_adapter():
        reference = _three_passes(vlm, pairs)
    return mfpo_loss(*(SETTINGS.beta * (new - old) for new, old in zip(policy, reference, strict=True)))


def _three_passes(vlm: Vlm, pairs: list[PairExample]) -> tuple[Tensor, Tensor, Tensor]:
    both = _padded_pass(vlm, [p.prefix for p in pairs] * 2, [p.chosen for p in pairs] + [p.rejected for p in pairs])
    corrupted = _padded_pass(vlm, [p.corrupted for p in pairs if p.corrupted], [p.chosen for p in pairs])
    return both[: len(pairs)], both[len(pairs) :], corrupted


def _padded_pass(vlm: Vlm, prefixes: list[Prefix], answers: list[list[int]]) -> Tensor:
    """Summed answer log-probs [B] from an ordinary forward pass with logits at every position."""
    rows = [torch.cat([prefix.input_ids, torch.tensor(a)]) for prefix, a in zip(prefixes, answers, strict=True)]
    ids = pad_sequence(rows, batch_first=True).to(vlm.device)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(vlm.device)
    pixels = torch.cat([prefix.pixels["pixel_values"] for prefix in prefixes]).to(vlm.device, vlm.dtype)
    logits = vlm.model(input_ids=ids, attention_mask=mask, pixel_values=pixels, use_cache=False).logits
    logprobs = F.log_softmax(logits[:, :-1].float(), dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    is_answer = torch.zeros_like(logprobs, dtype=torch.bool)
    for b, (prefix, answer) in enumerate(zip(prefixes, answers, strict=True)):
        is_answer[b, len(prefix) - 1 : len(prefix) - 1 + len(answer)] = True
    return (logprobs * is_answer).sum(-1)


Step = Callable[[Vlm, list[PairExample]], Tensor]


def gradients(vlm: Vlm, step: Step, pairs: list[PairExample]) -> dict[str, Tensor]:
    vlm.model.zero_grad()
    step(vlm, pairs).backward()
    return {n: p.grad.detach().clone() for n, p in vlm.model.named_parameters() if p.grad is not None}


def agreement(vlm: Vlm, pairs: list[PairExample]) -> dict[str, float]:
    """Differences of loss and gradients between the two steps: they must be the same computation."""
    loss = abs(float(packed_step(vlm, pairs).detach()) - float(plain_step(vlm, pairs).detach()))
    ours, plain = gradients(vlm, packed_step, pairs), gradients(vlm, plain_step, pairs)
    scale = max(float(g.abs().max()) for g in plain.values())
    worst = max(float((ours[name] - plain[name]).abs().max()) for name in plain)
    return {"loss": loss, "gradient_relative": worst / scale}


def seconds(vlm: Vlm, step: Step, pairs: list[PairExample]) -> float:
    """Of one forward and backward pass."""
    vlm.model.zero_grad()
    if vlm.device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    step(vlm, pairs).backward()
    if vlm.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(vlm: Vlm, pairs: list[PairExample], repeats: int, folder: Path) -> dict[str, Any]:
    """Median seconds of each step, taken in turn, and their ratio; with features that an earlier epoch kept (below
    `folder`) as well."""
    times: dict[str, list[float]] = {"plain": [], "packed": [], "packed_features_kept": []}
    cache = open_features(vlm, 2048, folder)
    for _ in range(repeats):
        times["plain"].append(seconds(vlm, plain_step, pairs))
        times["packed"].append(seconds(vlm, packed_step, pairs))
        vlm.features = cache
        if not times["packed_features_kept"]:
            packed_step(vlm, pairs)  # the first epoch fills the cache
        times["packed_features_kept"].append(seconds(vlm, packed_step, pairs))
        vlm.features = None
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {
        "seconds": medians,
        "speedup": medians["plain"] / medians["packed"],
        "speedup_features_kept": medians["plain"] / medians["packed_features_kept"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4, help="pairs in one step")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    cases = {f"answers of {low}-{high} tokens": (low, high) for low, high in ((20, 60), (60, 160), (10, 300))}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, lengths in cases.items():
            place = Path(folder) / name.replace(" ", "-")
            vlm = model_in_proportion(place, given.device)
            pairs = made_up_pairs(vlm, given.pairs, lengths)
            add_lora(vlm, SETTINGS)
            for parameter_name, parameter in vlm.model.named_parameters():
                if "lora_B" in parameter_name:
                    torch.nn.init.normal_(parameter, std=0.02)
            found[name] = {"agreement": agreement(vlm, pairs), **measure(vlm, pairs, given.repeats, place)}
            print(name, json.dumps(found[name], indent=1), flush=True)
    result = {"cases": found, "machine": describe(" ".join(["python", "-m", "bench.objective_step", *sys.argv[1:]]))}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {OUT}")


if __name__ == "__main__":
    main()
