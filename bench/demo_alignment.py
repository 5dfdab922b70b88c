"""Does the demo align? Full runs of the demo preset over seeds, base against aligned on held-out scenes.

    make demo   # writes the data
    python -m bench.demo_alignment --seeds 0 1 2

Writes bench/results/demo_alignment.json. Nothing is tuned here: the preset is fixed before the test scenes are seen.
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

from bench.machine import describe
from groundtune.artifacts import read_artifact
from groundtune.benchmarks.comparison import compare

OUT = Path("bench/results/demo_alignment.json")
ROUNDING = 1e-9  # of floating-point means
FIGURES = {  # name in the result: (benchmark, metric); POPE is the mean of its splits
    "chair_s": ("chair", "chairs"),
    "chair_i": ("chair", "chairi"),
    "coverage": ("chair", "recall"),
    "pope_accuracy": ("pope", "accuracy"),
    "pope_f1": ("pope", "f1"),
}


def one_seed(seed: int, work: Path, overrides: list[str]) -> dict[str, Any]:
    """Run the whole pipeline with this seed for sampling and training; returns the figures with their intervals."""
    command = [sys.executable, "-m", "pipelines", "run", "align", "--preset", "demo", "--work", str(work)]
    for setting in (f"sampling.seed={seed}", f"training.seed={seed}", "register=false", *overrides):
        command += ["--set", setting]
    started = time.monotonic()
    subprocess.run(command, check=True)
    places = json.loads((work / "result.json").read_text())
    rows = compare(
        read_artifact(places["base_answers"], "answers"), read_artifact(places["aligned_answers"], "answers")
    )["rows"]
    found = {}
    for name, (benchmark, metric) in FIGURES.items():
        row = next(r for r in rows if (r["benchmark"], r["metric"]) == (benchmark, metric))
        found[name] = {key: row[key] for key in ("base", "aligned", "difference")}
    return {"seed": seed, "seconds": round(time.monotonic() - started), "figures": found}


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, and what the project asks of them."""

    def mean(name: str, side: str) -> float:
        return statistics.mean(run["figures"][name][side]["value"] for run in runs)

    means = {name: {side: mean(name, side) for side in ("base", "aligned", "difference")} for name in FIGURES}
    spread = {
        name: [run["figures"][name]["aligned"]["value"] for run in sorted(runs, key=lambda r: r["seed"])]
        for name in FIGURES
    }
    relative = 1 - means["chair_s"]["aligned"] / means["chair_s"]["base"]
    return {
        "means": means,
        "aligned_by_seed": spread,
        "chair_s_relative_reduction": relative,
        "asked": {
            "chair_s at least 30 % lower": relative >= 0.30,
            "coverage at most 2 points lower": means["coverage"]["difference"] >= -0.02,
            "POPE accuracy no lower": means["pope_accuracy"]["difference"] >= -ROUNDING,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], help="override a setting in every run")
    parser.add_argument("--work", default="runs/bench", help="work folders of the runs")
    parser.add_argument("--jobs", type=int, default=1, help="seeds that run side by side")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with ThreadPoolExecutor(given.jobs) as pool:
        runs = list(pool.map(lambda seed: one_seed(seed, Path(given.work) / f"seed-{seed}", given.set), given.seeds))
    result = {
        "summary": summarise(runs),
        "runs": runs,
        "machine": describe(" ".join(["python", "-m", "bench.demo_alignment", *sys.argv[1:]])),
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
