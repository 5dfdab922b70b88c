"""A world in which the whole pipeline runs in a minute, and how a person starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from PIL import Image

from tests.tiny_checkpoints import tiny_clip, tiny_llava
from tests.unit.small_run import write_prompts

ROOT = Path(__file__).parents[2]


def write_world(root):
    """Prompts, checkpoints, questions and a config file, as a user would have them. Returns `root`."""
    write_prompts(root, 8)
    tiny_llava(root / "llava")
    tiny_clip(root / "clip")
    questions = root / "questions"
    (questions / "images").mkdir(parents=True)
    for i in range(4):
        Image.new("RGB", (40, 40), (60 * i, 200 - 40 * i, 90)).save(questions / "images" / f"{i}.png")
    with (questions / "pope.jsonl").open("w") as pope, (questions / "chair.jsonl").open("w") as chair:
        for i in range(4):
            for n, label in enumerate(("yes", "no")):
                row = {"question_id": 2 * i + n, "image": f"{i}.png", "text": "Is there a cup?", "label": label}
                pope.write(json.dumps(row) + "\n")
            row = {"id": f"c{i}", "image": f"images/{i}.png", "instruction": "Describe.", "objects": ["cup"]}
            chair.write(json.dumps(row) + "\n")
    (questions / "vocabulary.json").write_text(json.dumps({"cup": ["cup", "cups"], "banana": ["banana"]}))
    config = {
        "prompts": str(root / "prompts.jsonl"),
        "model": str(root / "llava"),
        "scorers": {"contrastive": str(root / "clip")},
        "benchmarks_root": str(questions),
        "num_shards": 2,
        "sampling": {"num_candidates": 4, "max_new_tokens": 10, "prompts_per_part": 2},
        "alignment": {"prompts_per_part": 2},
        "confidence": {"prompts_per_part": 2},
        "selection": {"margin": 0.01, "require_finished": False},
        "training": {"pairs_per_step": 2, "pairs_per_microbatch": 2, "lora_rank": 4, "checkpoint_every": 1},
        "evaluation": {
            "benchmarks": {"pope": "pope.jsonl", "chair": "chair.jsonl"},
            "vocabulary": "vocabulary.json",
            "max_new_tokens": 10,
            "bootstrap_resamples": 50,
            "questions_per_part": 4,
        },
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    return root


def command(world, work, *more):
    run = ["run", "align", "--config", str(world / "config.yaml"), "--work", str(work)]
    return [sys.executable, "-m", "pipelines", *run, *more]


def environment():
    """Nothing of this machine's tracking or state reaches the run."""
    outside = ("MLFLOW_", "GROUNDTUNE_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(outside)}


def start(world, work, *more):
    done = subprocess.run(
        command(world, work, *more), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def digests(work):
    """kind and shard -> digest of every artifact that the run left."""
    found = {}
    for file in sorted((work / "artifacts").rglob("manifest.json")):
        manifest = json.loads(file.read_text())
        who = (manifest["kind"], str(manifest.get("shard")), manifest["parents"].get("adapter", ""))
        found[who] = manifest["digest"]
    return found
