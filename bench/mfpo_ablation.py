"""What does each part of MFPO do? The paper's two ablation tables on the demo world.

    make demo   # writes the data
    python -m bench.mfpo_ablation --seeds 0 1 2

Everything up to the pairs is made once a seed; every row of the tables trains on the same pairs for the same number of
steps and is evaluated on the same held-out scenes. Writes bench/results/mfpo_ablation.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import describe
from groundtune.artifacts import Artifact, read_artifact
from groundtune.benchmarks import evaluation
from groundtune.benchmarks.comparison import compare
from groundtune.benchmarks.modality_probe import stage as probe
from groundtune.benchmarks.modality_probe.comparison import compare_probes
from groundtune.candidates import combine, confidence, sampling
from groundtune.candidates.alignment_score import stage as alignment
from groundtune.preferences import selection
from groundtune.preferences.image_preference import reference
from groundtune.preferences.image_preference import stage as images
from groundtune.prompts import prepare
from groundtune.training import stage as training
from pipelines import config

OUT = Path("bench/results/mfpo_ablation.json")
TEXT = "text only (DPO)"
MFPO = "+ curriculum (MFPO)"
# row -> (changes to the image settings of the preset, None trains on text alone; changes to its training settings). The
# first four rows add one part at a time.
ROWS: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    TEXT: (None, {"anchor_weight": 0.0, "curriculum": "shuffled"}),
    "+ image": ({}, {"anchor_weight": 0.0, "curriculum": "shuffled"}),
    "+ margin": ({}, {"curriculum": "shuffled"}),
    MFPO: ({}, {}),
    "text + margin (M3PO)": (None, {"curriculum": "shuffled"}),
    "text + margin + curriculum": (None, {}),
    "hard to easy": ({}, {"curriculum": "hard_to_easy"}),
    "ratio 1:1:1": ({}, {"image_weight": 1.0}),
    "whole-image noise": ({"region": "whole"}, {}),
    "random region": ({"region": "random"}, {}),
    "mean fill instead of noise": ({"corruption": "mean"}, {}),
}
PROBED = (TEXT, "text + margin (M3PO)", MFPO)
FIGURES = {
    "chair_s": ("chair", "chairs"),
    "chair_i": ("chair", "chairi"),
    "coverage": ("chair", "recall"),
    "pope_adversarial_accuracy": ("pope_adversarial", "accuracy"),
}


class Seed:
    """One seed's artifacts, made when they are first asked for and kept in its work folder."""

    def __init__(self, seed: int, work: Path, overrides: tuple[str, ...]):
        self.seed, self.work = seed, work
        self.arguments = config.load(config.AlignConfig, "", "demo-mfpo", overrides).arguments()
        for section in ("sampling", "training", "image_preference"):
            self.arguments[section]["seed"] = seed
        self.arguments["evaluation"]["benchmarks"] = {
            name: file
            for name, file in self.arguments["evaluation"]["benchmarks"].items()
            if name in ("chair", "pope_adversarial")
        }

    def path(self, name: str) -> Path:
        return self.work / name.replace(" ", "-").replace("+", "and")

    def made(self, name: str, make: Any) -> Path:
        """The artifact of that name; `make` writes it unless it is there."""
        path = self.path(name)
        if not (path / "manifest.json").exists():
            make(path)
        return path

    def pairs(self) -> Path:
        a = self.arguments
        prompts, root, model = self.prompts(), a["images_root"], a["model"]
        candidates = self.made("candidates", lambda out: sampling.run(prompts, root, model, out, a["sampling"]))
        aligned = self.made(
            "alignment", lambda out: alignment.run(prompts, candidates, root, a["scorers"], out, a["alignment"])
        )
        scored = self.made(
            "scores", lambda out: combine.run([candidates], [aligned], [self.believed()], out, a["alignment"])
        )
        return self.made("pairs", lambda out: selection.run(scored, out, a["selection"]))

    def prompts(self) -> Path:
        a = self.arguments
        return self.made(
            "prompts", lambda out: prepare.run(a["prompts"], a["images_root"], a["model"], out, a["prepare"])
        )

    def believed(self) -> Path:
        a = self.arguments
        return self.made(
            "confidence",
            lambda out: confidence.run(
                self.prompts(), self.path("candidates"), a["images_root"], a["model"], out, a["confidence"]
            ),
        )

    def image_pairs(self, changes: dict[str, Any]) -> tuple[Path, Path]:
        """The corrupted images of one kind, and their reference."""
        a, pairs = self.arguments, self.pairs()
        settings, kind = {**a["image_preference"], **changes}, "-".join(["images", *changes.values()])
        corrupted = self.made(
            kind,
            lambda out: images.run(
                self.prompts(), pairs, a["images_root"], a["region_models"], out, settings, scorers=a["scorers"]
            ),
        )
        referred = self.made(
            f"reference-{kind}",
            lambda out: reference.run(self.prompts(), pairs, corrupted, a["model"], out, a["confidence"]),
        )
        return corrupted, referred

    def adapter(self, row: str) -> Path:
        a, pairs = self.arguments, self.pairs()
        image_changes, changes = ROWS[row]
        kept = [[], []] if image_changes is None else [[path] for path in self.image_pairs(image_changes)]
        return self.made(
            f"adapter-{row}",
            lambda out: training.run(
                self.prompts(),
                [self.believed()],
                pairs,
                a["images_root"],
                a["model"],
                out,
                {**a["training"], **changes},
                image_pairs=kept[0],
                image_reference=kept[1],
            ),
        )

    def answers(self, row: str) -> Path:
        a = self.arguments
        adapter = str(self.adapter(row)) if row else ""
        return self.made(
            f"answers-{row}",
            lambda out: evaluation.run(a["benchmarks_root"], a["model"], out, a["evaluation"], adapter=adapter),
        )

    def probed(self, row: str) -> Path:
        a, pairs = self.arguments, self.pairs()
        adapter = str(self.adapter(row)) if row else ""
        return self.made(
            f"probe-{row}",
            lambda out: probe.run(
                self.prompts(), pairs, a["images_root"], a["benchmarks_root"], a["model"], a["region_models"], out,
                a["probe"], a["evaluation"], a["image_preference"], scorers=a["scorers"],
                adapter=adapter,
            ),
        )  # fmt: skip

    def compared(self, base: Artifact, aligned: Artifact) -> dict[str, dict[str, Any]]:
        """figure -> base, aligned and their paired difference; the rewards, which a base model lacks, for one side."""
        found: dict[str, dict[str, Any]] = {
            f"{figure.section}: {figure.name}": {
                side: getattr(figure, side).as_dict() for side in ("base", "aligned", "difference")
            }
            for figure in compare_probes(base, aligned)
        }
        for section, figures in aligned.results.items():
            for name, figure in (figures if isinstance(figures, dict) else {}).items():
                if isinstance(figure, dict) and "value" in figure:
                    found.setdefault(f"{section}: {name}", {"base": None, "aligned": figure})
        return found

    def measure(self, names: list[str]) -> dict[str, Any]:
        """The named rows against the base model; the probes of those that are probed."""
        base = read_artifact(self.answers(""), "answers")
        rows = {}
        for row in names:
            began = time.monotonic()
            compared = compare(base, read_artifact(self.answers(row), "answers"))["rows"]
            adapter = json.loads((self.adapter(row) / "manifest.json").read_text())
            figures = {}
            for name, (benchmark, metric) in FIGURES.items():
                found = next(r for r in compared if (r["benchmark"], r["metric"]) == (benchmark, metric))
                figures[name] = {key: found[key] for key in ("base", "aligned", "difference")}
            answered = read_artifact(self.answers(row), "answers").rows()
            rows[row] = {
                "figures": figures,
                "hallucinating": "".join(str(int(not a["correct"])) for a in answered if a["benchmark"] == "chair"),
                "steps": adapter["results"]["steps"],
                "training": adapter["results"],
                "seconds": round(time.monotonic() - began),
            }
        whole = json.loads((self.path("images") / "manifest.json").read_text())["results"]
        before = read_artifact(self.probed(""), "probe")
        asked = [row for row in PROBED if row in names]
        probes = {row: self.compared(before, read_artifact(self.probed(row), "probe")) for row in asked}
        return {"seed": self.seed, "rows": rows, "images": whole, "probes": probes}


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds of every row, its paired difference to text-only DPO, and what the project aims at."""
    rows = list(runs[0]["rows"])

    def values(row: str, name: str, side: str = "aligned") -> list[float]:
        return [run["rows"][row]["figures"][name][side]["value"] for run in runs]

    means = {row: {name: statistics.mean(values(row, name)) for name in FIGURES} for row in rows}
    summary: dict[str, Any] = {
        "base": {name: statistics.mean(values(rows[0], name, "base")) for name in FIGURES},
        "means": means,
        "by_seed": {row: {name: values(row, name) for name in FIGURES} for row in rows},
    }
    if {TEXT, MFPO} <= set(rows):
        lower = 1 - means[MFPO]["chair_s"] / means[TEXT]["chair_s"]
        summary |= {
            "chair_s_difference_to_text_only": {row: _difference(runs, row) for row in rows if row != TEXT},
            "chair_s_relative_to_text_only": lower,
            "asked": {"MFPO lowers CHAIRs by at least 40 % relative to text-only DPO": lower >= 0.40},
        }
    return summary


def _difference(runs: list[dict[str, Any]], row: str, resamples: int = 4000) -> dict[str, float]:
    """Paired difference of CHAIRs to text-only DPO: mean over seeds, 95 % bootstrap interval over images. The seeds
    share their images, so the interval is for these seeds."""
    seen = [
        np.array([list(map(int, run["rows"][name]["hallucinating"])) for run in runs]).mean(0) for name in (row, TEXT)
    ]
    differences = seen[0] - seen[1]
    drawn = np.random.default_rng(0).integers(0, len(differences), (resamples, len(differences)))
    low, high = np.quantile(differences[drawn].mean(1), [0.025, 0.975])
    return {"value": float(differences.mean()), "low": float(low), "high": float(high)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), help="rows of the tables")
    parser.add_argument("--set", action="append", default=[], help="override a setting in every run")
    parser.add_argument("--work", type=Path, default=Path("runs/mfpo"), help="work folders of the seeds")
    parser.add_argument("--jobs", type=int, default=2, help="seeds that run side by side")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", type=int, help="measure one seed only, into <work>/seed-N/result.json")
    given = parser.parse_args()
    if given.one is not None:
        seed = Seed(given.one, given.work / f"seed-{given.one}", tuple(given.set))
        (seed.work / "result.json").write_text(json.dumps(seed.measure(given.rows), indent=1) + "\n")
        return
    same = [word for setting in given.set for word in ("--set", setting)]

    def start(number: int) -> None:
        one = ["--one", str(number), "--work", str(given.work), "--rows", *given.rows, *same]
        subprocess.run([sys.executable, "-m", "bench.mfpo_ablation", *one], check=True)

    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(start, given.seeds))
    runs = [json.loads((given.work / f"seed-{s}" / "result.json").read_text()) for s in given.seeds]
    result = {
        "summary": summarise(runs),
        "runs": runs,
        "machine": describe(" ".join(["python", "-m", "bench.mfpo_ablation", *sys.argv[1:]])),
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
