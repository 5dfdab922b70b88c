"""Builds a world's models from nothing: two CLIPs, of which one becomes the LLaVA's tower, the other the scorer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from groundtune.demo.clip_measures import patch_auc, sentence_auc
from groundtune.demo.clip_settings import ClipSettings
from groundtune.demo.clip_training import train_clip
from groundtune.demo.corpus import scene_arrays
from groundtune.demo.drawn_world import DRAWN_WORLD
from groundtune.demo.kept_clips import KeptClips
from groundtune.demo.llava_measures import caption_measures, pool_measures, question_measures
from groundtune.demo.llava_training import LlavaSettings, train_llava
from groundtune.demo.picture_world import PictureWorld
from groundtune.demo.schedule import save_folder

PACKAGES: tuple[str, ...] = ("torch", "transformers", "tokenizers", "safetensors", "pillow", "numpy")


@dataclass(frozen=True)
class BuildSettings:
    """scenes: to train on. measured: scenes that no model was trained on. longest: tokens of a measured caption."""

    scenes: int = 24_000
    measured: int = 300
    longest: int = 96
    clip: ClipSettings = field(default_factory=ClipSettings)
    llava: LlavaSettings = field(default_factory=LlavaSettings)

    def quick(self) -> BuildSettings:
        """A few steps of everything."""
        clip = replace(self.clip, naming_steps=min(2, self.clip.naming_steps), steps=2, batch=4)
        llava = replace(self.llava, naming_steps=2, question_steps=2, mixed_steps=2, batch=4)
        return BuildSettings(24, 2, 4, clip, llava)


DRAWN_BUILD = BuildSettings()


def build(
    out: Path,
    seed: int,
    quick: bool = False,
    report: Callable[[str], None] = print,
    threads: int = 1,
    clips: Path | None = None,
    world: PictureWorld = DRAWN_WORLD,
    settings: BuildSettings = DRAWN_BUILD,
) -> dict[str, Any]:
    """Writes `out/llava`, `out/clip` and `out/BUILD.json`; returns what BUILD.json holds.

    clips: a folder that keeps the CLIPs as `scorer/` and `tower/`. Those that are there are not trained again: a build
    that was stopped goes on with what it had, to the same weights. SettingError when they are of another build.
    The scorer and the tower differ by seed, so that the scorer's errors are not those of the model that it judges.
    One thread by default: sums then have one order, whatever the number of cores, and two threads that share busy
    cores take ten times as long as one.
    """
    settings = settings.quick() if quick else settings
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    started = time.monotonic()

    def said(line: str) -> None:
        report(f"{time.monotonic() - started:6.0f} s  {line}")

    said(f"drawing      {settings.scenes:,} scenes to train on, {settings.measured:,} to measure on")
    data = scene_arrays(world, seed, "models", settings.scenes)
    held_out = scene_arrays(world, seed, "measure", settings.measured)
    wanted = {"world": world.record(), "seed": seed, "scenes": settings.scenes, "clip": asdict(settings.clip)}
    kept = KeptClips(clips, wanted)

    def clip(part: str, clip_seed: int) -> tuple[Any, Any]:
        return kept.get(part, lambda: train_clip(clip_seed, data, settings.clip, said))

    scorer, tower = clip("scorer", 2 * seed + 1), clip("tower", 2 * seed + 2)
    llava = train_llava(seed, *tower, data, settings.llava, said)
    said("measuring")
    figures = {
        "clip_sentence_auc": sentence_auc(*scorer, held_out),
        "clip_patch_auc": patch_auc(*scorer, held_out),
        "llava_captions": caption_measures(llava, held_out, settings.longest),
        "llava_questions": question_measures(llava, held_out),
        "llava_pools": pool_measures(llava, scorer, held_out, longest=settings.longest),
    }
    save_folder(*scorer, out / "clip")
    save_folder(*llava, out / "llava")
    name = "" if world is DRAWN_WORLD else f" --world {world.name}"
    record = {
        "command": f"python -m groundtune.demo build{name} --out {out.name} --seed {seed}{' --quick' if quick else ''}",
        **({"world": world.record()} if world.record() else {}),
        "clips_of_an_earlier_call": kept.found,
        "seed": seed,
        "seconds": round(time.monotonic() - started),
        "threads": threads,
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "scenes": {"trained": settings.scenes, "measured": settings.measured},
        "settings": {"clip": asdict(settings.clip), "llava": asdict(settings.llava)},
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


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def summary(record: dict[str, Any]) -> str:
    """What a build measured, in words."""
    measured = record["measured"]
    captions, questions = measured["llava_captions"], measured["llava_questions"]
    pools, clip = measured["llava_pools"], measured["clip_sentence_auc"]
    return (
        f"measured     captions: {captions['hallucinating_captions']:.0%} name what is not there, and "
        f"{captions['coverage']:.0%} of what is; questions: existence {questions['existence']:.0%} right, absent "
        f"companions {questions['companion']:.0%}\n"
        f"             pools: {pools['mixed_pools']:.0%} hold good and bad answers; CLIP tells them apart with AUC "
        f"{pools['clip_min_auc']:.2f}, sentences from those of an absent companion with {clip['companion']:.2f}"
    )
