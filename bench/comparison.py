"""A comparison of methods, kept: figures as data, charts as files.

    python -m bench.comparison demo --seeds 0 1 2 3 4

runs `python -m pipelines run compare --preset demo` and writes bench/results/comparison_demo.json, of which
`python -m bench.pages` makes tables and charts. The same work folder goes on where it was, and presets of one world
that are given one (`--work`) share pools and equal methods. Settings are chosen on pictures of the validation split
(`demo-rates`, `demo-weights`).
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.machine import describe
from groundtune.digests import digest_of

RESULTS = Path("bench/results")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", help="a preset of pipelines/presets/compare")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], help="override a setting")
    parser.add_argument("--work", help="work folder of the run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(words)
    work = Path(given.work or f"runs/bench-compare-{given.preset}")
    command = [sys.executable, "-m", "pipelines", "run", "compare", "--preset", given.preset, "--work", str(work)]
    command += ["--seeds", ",".join(map(str, given.seeds))]
    for setting in given.set:
        command += ["--set", setting]
    known, began = trained(work), time.monotonic()
    subprocess.run(command, check=True)
    seconds = time.monotonic() - began
    study = json.loads((Path(json.loads((work / "result.json").read_text())["tables"]) / "comparison.json").read_text())
    spent = noted(work, study, seconds, len(trained(work) - known))
    file = keep(given.preset, study, spent, given.out, " ".join(["python", "-m", "bench.comparison", *sys.argv[1:]]))
    print(f"{seconds / 60:.0f} minutes; written to {file}")


def trained(work: Path) -> set[Path]:
    """The adapters that the runs of a work folder have left."""
    return set((work / "artifacts").rglob("adapter/manifest.json"))


def noted(work: Path, study: dict[str, Any], seconds: float, trainings: int) -> list[dict[str, Any]]:
    """Remember what this run has taken; returns all runs in this work folder that trained the same methods with the
    same settings. What those of other settings left and was used again is not among them."""
    file = work / "spent.json"
    same = digest_of([study["common"], [method["method"] for method in study["methods"]]])
    spent = json.loads(file.read_text()) if file.exists() else []
    spent.append({"settings": same, "seconds": seconds, "trainings": trainings})
    file.write_text(json.dumps(spent))
    return [one for one in spent if one["settings"] == same and one["trainings"]]


def keep(preset: str, study: dict[str, Any], spent: list[dict[str, Any]], out: Path, command: str) -> Path:
    """Store what report_comparison found. spent: seconds and trainings of each run that made it. Returns the file."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"comparison_{preset.replace('-', '_')}.json"
    found = {"preset": preset, "study": study, "spent": spent, "machine": describe(command)}
    file.write_text(json.dumps(found, indent=1) + "\n")
    return file


if __name__ == "__main__":
    main()
