"""Selection of pairs out of many candidates: seconds and peak memory of `select_pairs` in a process of its own.

    python -m bench.engine.selection SCORES OUT      # one measurement, one line of JSON

The scores are made up: pools of eight answers of 60 tokens (bench/made_up_scores.py).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engine import memory
from bench.made_up_scores import made_up_scores

COUNTS = [10_000, 100_000, 300_000, 1_000_000]
POOL = 8


def measure(counts: Sequence[int]) -> dict[str, Any]:
    """One point a number of candidates, smallest first."""
    points = []
    for count in sorted(counts):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made_up_scores(folder / "scores", count // POOL)
            command = [sys.executable, "-m", "bench.engine.selection", str(folder / "scores"), str(folder / "pairs")]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
            points.append({"value": count, **json.loads(done.stdout.splitlines()[-1])})
            print(f"  {count:,} candidates: {points[-1]}", flush=True)
    return {"points": points, "pool": POOL}


def main() -> None:
    from groundtune.preferences import selection  # here, so that the artifacts are written without the stage

    loaded = memory.resident()
    memory.reset_peak()
    began = time.perf_counter()
    made = selection.run(sys.argv[1], sys.argv[2], {})
    found = {"seconds": time.perf_counter() - began, "pairs": len(made), "loaded": loaded, "peak": memory.peak()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
