"""A small real run for tests: prompts with pictures, tiny checkpoints, and the stages up to the pairs."""

import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from groundtune.candidates import combine, confidence, sampling
from groundtune.candidates.alignment_score import stage as alignment
from groundtune.preferences import selection
from groundtune.prompts import prepare

SAMPLING = {"num_candidates": 4, "max_new_tokens": 10, "prompts_per_part": 4}
SELECTION = {"margin": 0.01, "require_finished": False}  # a random model seldom ends an answer


def write_prompts(folder: Path, count: int = 8) -> Path:
    """`count` prompts, each with a picture of its own colour."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "prompts.jsonl").open("w") as stream:
        for i in range(count):
            colour = (37 * i % 256, 91 * i % 256, 201 * i % 256)
            Image.new("RGB", (40 + i, 40), colour).save(folder / "images" / f"{i}.png")
            row = {"id": f"p{i}", "image": f"images/{i}.png", "instruction": "Describe this." + "!" * (i % 3)}
            stream.write(json.dumps(row) + "\n")
    return folder / "prompts.jsonl"


@dataclass(frozen=True)
class SmallRun:
    """Paths of the artifacts of one run."""

    root: Path
    model: Path
    clip: Path

    @property
    def prompts(self) -> Path:
        return self.root / "prompts"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs"

    def shards(self, kind: str, count: int = 1) -> list[Path]:
        return [self.root / f"{kind}-{i}" for i in range(count)]


def up_to_pairs(root: Path, model: Path, clip: Path, shards: int = 1, adapter: str = "") -> SmallRun:
    """prepare, sample, score, combine, select. adapter: of the policy that answers."""
    run = SmallRun(root, model, clip)
    prepare.run(str(write_prompts(root)), str(root), str(model), run.prompts, {})
    for i in range(shards):
        shard = f"{i}/{shards}"
        candidates = root / f"candidates-{i}"
        sampling.run(run.prompts, str(root), str(model), candidates, SAMPLING, adapter=adapter, shard=shard)
        scorers = {"contrastive": str(clip)}
        alignment.run(run.prompts, candidates, str(root), scorers, root / f"alignment-{i}", {}, shard=shard)
        confidence.run(
            run.prompts, candidates, str(root), str(model), root / f"confidence-{i}", {}, adapter=adapter, shard=shard
        )
    kinds = [run.shards(kind, shards) for kind in ("candidates", "alignment", "confidence")]
    combine.run(*kinds, root / "scores", {})
    selection.run(root / "scores", run.pairs, SELECTION)
    return run
