"""Rewrites the measured figure in README.md from bench/results/demo_alignment.json.

python -m bench.readme
"""

import json
import re
from pathlib import Path
from typing import Any

README = Path("README.md")
RESULT = Path("bench/results/demo_alignment.json")
START, END = "<!-- figure: written by python -m bench.readme -->", "<!-- end of figure -->"


def figure(result: dict[str, Any]) -> str:
    """One sentence with the headline, one with what it cost; numbers in %."""
    summary = result["summary"]
    means, seeds = summary["means"], len(result["runs"])
    chair, coverage, pope = means["chair_s"], means["coverage"], means["pope_accuracy"]
    return (
        f"**Measured on the demo world** (held-out scenes, mean of {seeds} seeds): captions with a hallucinated object "
        f"{100 * chair['base']:.1f} % -> **{100 * chair['aligned']:.1f} %**, objects covered "
        f"{100 * coverage['base']:.1f} % -> {100 * coverage['aligned']:.1f} %, existence questions right "
        f"{100 * pope['base']:.1f} % -> {100 * pope['aligned']:.1f} %. Intervals and every seed: "
        "[bench/results/demo_alignment.json](bench/results/demo_alignment.json), "
        f"from `{result['machine']['command']}`."
    )


def main() -> None:
    text = README.read_text()
    block = f"{START}\n{figure(json.loads(RESULT.read_text()))}\n{END}"
    README.write_text(re.sub(re.escape(START) + ".*?" + re.escape(END), lambda _: block, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
