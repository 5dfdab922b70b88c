"""Rebuilds both models from nothing: two CLIPs, of which one becomes the LLaVA's tower and the other the scorer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from groundtune.demo.clip_measures import patch_auc, sentence_auc
from groundtune.demo.clip_training import ClipSettings, train_clip
from groundtune.demo.corpus import scene_arrays
from groundtune.demo.llava_measures import caption_measures, pool_measures, question_measures
from groundtune.demo.llava_training import LlavaSettings, train_llava
from groundtune.demo.schedule import save_folder

PACKAGES: tuple[str, ...] = ("torch", "transformers", "tokenizers", "safetensors", "pillow", "numpy")
TRAINING_SCENES, MEASURED_SCENES = 24_000, 300
LONGEST_CAPTION = 96
QUICK_SCENES, QUICK_MEASURED, QUICK_CAPTION = 24, 2, 4


def build(
    out: Path,
    seed: int,
    quick: bool = False,
    report: Callable[[str], None] = print,
    threads: int = 1,
    clips: Path | None = None,
) -> dict[str, Any]:
    """Writes `out/llava`, `out/clip` and `out/BUILD.json`; returns what BUILD.json holds.

    clips: a folder with `scorer/` and `tower/`, CLIPs that this function trained before; they are not trained again.
    The scorer and the tower differ by seed, so that the scorer's errors are not those of the model that it judges.
    One thread by default: sums then have one order, whatever the number of cores, and two threads that share busy
    cores take ten times as long as one.
    """
    clip_settings, llava_settings = ClipSettings(), LlavaSettings()
    trained, measured, longest = TRAINING_SCENES, MEASURED_SCENES, LONGEST_CAPTION
    if quick:
        clip_settings = replace(clip_settings, steps=2, batch=4)
        llava_settings = replace(llava_settings, naming_steps=2, question_steps=2, mixed_steps=2, batch=4)
        trained, measured, longest = QUICK_SCENES, QUICK_MEASURED, QUICK_CAPTION
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    started = time.monotonic()

    def said(line: str) -> None:
        report(f"{time.monotonic() - started:6.0f} s  {line}")

    said(f"drawing      {trained:,} scenes to train on, {measured:,} to measure on")
    data, held_out = scene_arrays(seed, "models", trained), scene_arrays(seed, "measure", measured)
    scorer: tuple[Any, Any] = _read(clips / "scorer") if clips else train_clip(2 * seed + 1, data, clip_settings, said)
    tower: tuple[Any, Any] = _read(clips / "tower") if clips else train_clip(2 * seed + 2, data, clip_settings, said)
    llava = train_llava(seed, *tower, data, llava_settings, said)
    said("measuring")
    figures = {
        "clip_sentence_auc": sentence_auc(*scorer, held_out),
        "clip_patch_auc": patch_auc(*scorer, held_out),
        "llava_captions": caption_measures(llava, held_out, longest),
        "llava_questions": question_measures(llava, held_out),
        "llava_pools": pool_measures(llava, scorer, held_out, longest=longest),
    }
    save_folder(*scorer, out / "clip")
    save_folder(*llava, out / "llava")
    record = {
        "command": f"python -m groundtune.demo build --out {out.name} --seed {seed}{' --quick' if quick else ''}",
        "clips": "trained by an earlier call with the same seed and settings" if clips else "trained in this call",
        "seed": seed,
        "seconds": round(time.monotonic() - started),
        "threads": threads,
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "scenes": {"trained": trained, "measured": measured},
        "settings": {"clip": asdict(clip_settings), "llava": asdict(llava_settings)},
        "parameters": {
            "clip": sum(weight.numel() for weight in scorer[0].parameters()),
            "llava": sum(weight.numel() for weight in llava[0].parameters()),
        },
        "measured": _rounded(figures),
    }
    (out / "BUILD.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    torch.set_num_threads(before)
    said(f"written      {out}")
    return record


def _read(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    return model, AutoProcessor.from_pretrained(folder, local_files_only=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
