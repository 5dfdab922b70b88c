"""Does vLLM answer as our own sampling engine does?

    python -m bench.sampling_engines --vllm-python /path/to/python

Real runs of sample_candidates on the embedded demo model (its attention heads padded with zeros to a size that vLLM's
CPU kernels take: bench/padded_heads.py), the same prompts and settings for both engines; vLLM by another interpreter,
where it is installed beside groundtune's light dependencies (images/sampler-vllm/constraints.txt). Writes
bench/results/sampling_engines.json.

greedy: one answer a prompt, the likeliest token each time. greedy_adapter: the same with a random LoRA adapter.
greedy_next: the same on a random LLaVA-1.6, whose number of image tokens depends on the picture. pools: K = 8 at
temperature 1, confidence measured by score_confidence for both. batches: vLLM's pools, drawn again in other batches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from bench.machine import describe
from bench.padded_heads import pad_heads
from groundtune.artifacts import Artifact, Row, read_artifact
from groundtune.candidates import confidence, sampling
from groundtune.demo import LLAVA_CHECKPOINT
from groundtune.demo.dataset import write_demo
from groundtune.images import ImageStore
from groundtune.prompts import prepare
from groundtune.vlm.loader import load_vlm
from groundtune.vlm.plain import plain_next_logprobs
from groundtune.vlm.prompt import encode_prefix
from tests.tiny_checkpoints import tiny_adapter, tiny_llava_next

OUT = Path("bench/results/sampling_engines.json")
ROOT = Path(__file__).parents[1]
HEAD = 64
GREEDY = {"num_candidates": 1, "temperature": 0.01, "top_p": 0.01, "max_new_tokens": 96}
POOLS = {"num_candidates": 8, "max_new_tokens": 96}
CALL = """
import json, sys
from groundtune.candidates import sampling
sampling.run(**json.loads(sys.argv[1]))
"""


class Engines:
    """The two engines over one folder of prompts."""

    def __init__(self, folder: Path, vllm_python: str):
        self.folder, self.vllm_python = folder, vllm_python

    def sampled(self, engine: str, name: str, model: Path, settings: dict[str, Any], adapter: str = "") -> Artifact:
        """The candidates of one run; vLLM's in a process of its own interpreter."""
        out = self.folder / f"{name}-{engine}"
        arguments: dict[str, Any] = {
            "prompts": str(self.folder / f"prompts-{model.name}"),
            "images_root": str(self.folder),
            "model": str(model),
            "out": str(out),
            "settings": {**settings, "engine": engine, "gpu_memory_utilization": 0.08},
            "adapter": adapter,
        }
        if engine == "transformers":
            return sampling.run(**arguments)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GROUNDTUNE_CACHE": str(self.folder / "cache")}
        subprocess.run([self.vllm_python, "-c", CALL, json.dumps(arguments)], env=environment, check=True)
        return read_artifact(out, "candidates")

    def prepared(self, model: Path) -> None:
        """Prompts are checked against the model that reads them."""
        prepare.run(
            str(self.folder / "prompts.jsonl"), str(self.folder), str(model), self.folder / f"prompts-{model.name}", {}
        )

    def greedy(self, name: str, model: Path, settings: dict[str, Any], adapter: str = "") -> dict[str, Any]:
        """Share of prompts with equal tokens; for the others, how near the two tokens were where they part."""
        ours, theirs = (
            {row["prompt_id"]: row for row in self.sampled(engine, name, model, settings, adapter).rows()}
            for engine in ("transformers", "vllm")
        )
        assert ours.keys() == theirs.keys()
        unlike = [key for key in ours if ours[key]["token_ids"] != theirs[key]["token_ids"]]
        gaps = {key: self.gap(model, adapter, ours[key], theirs[key]) for key in unlike}
        return {
            "prompts": len(ours),
            "equal": 1 - len(unlike) / len(ours),
            "distinct_answers": len({row["text"] for row in ours.values()}),
            "tokens": sum(len(row["token_ids"]) for row in ours.values()),
            "unlike_gaps_nats": gaps,
        }

    def gap(self, model: Path, adapter: str, ours: Row, theirs: Row) -> float:
        """log p(our token) - log p(theirs), nats, at the first place where they differ, by a plain float32 pass."""
        pairs = zip(ours["token_ids"], theirs["token_ids"], strict=False)
        place = next(i for i, (one, other) in enumerate(pairs) if one != other)
        vlm = load_vlm(model, adapter=adapter or None)
        rows = read_artifact(self.folder / f"prompts-{model.name}", "prompts").rows()
        prompt = next(row for row in rows if row["id"] == ours["prompt_id"])
        image = ImageStore(str(self.folder)).open(prompt["id"], prompt["image"])
        prefix = encode_prefix(vlm, prompt["id"], prompt["instruction"], image)
        asked = (ours["token_ids"][place], theirs["token_ids"][place])
        with torch.no_grad():
            values = plain_next_logprobs(vlm, [prefix], [[ours["token_ids"][:place]]], asked)[0][0]
        return float(values[0] - values[1])

    def pools(self, model: Path) -> dict[str, Any]:
        """Distinct answers, length and confidence of the pools, and the paired difference over prompts."""
        found: dict[str, Any] = {}
        means: dict[str, list[float]] = {}
        for engine in ("transformers", "vllm"):
            made = self.sampled(engine, "pools", model, POOLS)
            scored = confidence.run(
                self.folder / f"prompts-{model.name}", made.path, str(self.folder), str(model),
                self.folder / f"confidence-{engine}", {},
            )  # fmt: skip
            votes = {row["candidate_id"]: row["multiplicity"] for row in made.rows()}
            rows = list(scored.rows())
            means[engine] = _pool_means(rows, votes)
            found[engine] = {
                "distinct_per_pool": made.results["distinct_per_pool"],
                "unfinished": made.results["unfinished"],
                "tokens": statistics.mean(len(row["token_ids"]) for row in made.rows()),
                "confidence": statistics.mean(means[engine]),
            }
        differences = [two - one for one, two in zip(means["transformers"], means["vllm"], strict=True)]
        found["prompts"] = len(differences)
        found["confidence_difference"] = statistics.mean(differences)
        found["confidence_standard_error"] = statistics.stdev(differences) / len(differences) ** 0.5
        return found

    def batches(self, model: Path) -> dict[str, Any]:
        """The share of prompts whose pool is the same when vLLM draws it in parts of 5 prompts."""
        first = _texts(read_artifact(self.folder / "pools-vllm", "candidates"))
        again = _texts(self.sampled("vllm", "batches", model, {**POOLS, "prompts_per_part": 5}))
        return {"prompts": len(first), "equal": sum(first[key] == again[key] for key in first) / len(first)}


def _pool_means(rows: list[Row], votes: dict[str, int]) -> list[float]:
    """Mean confidence of every pool over its samples (a distinct answer counts as often as it was drawn)."""
    pools: dict[str, list[float]] = {}
    for row in rows:
        pools.setdefault(row["prompt_id"], []).extend([row["confidence"]] * votes[row["candidate_id"]])
    return [statistics.mean(pools[key]) for key in sorted(pools)]


def _texts(made: Artifact) -> dict[str, list[tuple[str, int]]]:
    texts: dict[str, list[tuple[str, int]]] = {}
    for row in made.rows():
        texts.setdefault(row["prompt_id"], []).append((row["text"], row["multiplicity"]))
    return texts


def measure(vllm_python: str, prompts: int, folder: Path) -> dict[str, Any]:
    """Everything that this module's first lines name."""
    write_demo(folder, prompts, 1, 0)
    demo = pad_heads(LLAVA_CHECKPOINT, folder / "demo", HEAD)
    following = pad_heads(tiny_llava_next(folder / "random"), folder / "next", HEAD)
    adapter = tiny_adapter(folder / "adapter", demo)
    engines = Engines(folder, vllm_python)
    engines.prepared(demo)
    engines.prepared(following)
    found = {
        "greedy": engines.greedy("greedy", demo, GREEDY),
        "greedy_adapter": engines.greedy("adapter", demo, GREEDY, str(adapter)),
        "greedy_next": engines.greedy("next", following, {**GREEDY, "max_new_tokens": 16}),
        "pools": engines.pools(demo),
        "batches": engines.batches(demo),
    }
    made = read_artifact(folder / "greedy-vllm", "candidates").manifest
    return {**found, "vllm": {**made["extra"], "packages": made["packages"]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python", required=True, help="interpreter of an environment that has vLLM")
    parser.add_argument("--prompts", type=int, default=64, help="prompts of the demo world")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given.vllm_python, given.prompts, Path(folder))
    machine = describe("python -m bench.sampling_engines")
    OUT.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
