"""Rewrites the measured parts of README.md and docs/results.md from the files in bench/results/.

    python -m bench.pages
"""

import json
import re
from pathlib import Path
from typing import Any

RESULTS = Path("bench/results")
NAMES = {
    "chair_s": "captions with a hallucinated object (CHAIRs)",
    "chair_i": "hallucinated object mentions (CHAIRi)",
    "coverage": "objects covered",
    "pope_accuracy": "existence questions right (POPE accuracy)",
    "pope_f1": "POPE F1",
}


def headline(result: dict[str, Any]) -> str:
    """One sentence for the README; numbers in %."""
    means, seeds = result["summary"]["means"], len(result["runs"])

    def change(name: str, mark: str = "") -> str:
        base, aligned = (f"{100 * means[name][side]:.1f} %" for side in ("base", "aligned"))
        return f"{base} → {mark}{aligned}{mark}"

    return (
        f"**Measured on the demo world** (held-out scenes, mean of {seeds} seeds): captions with a hallucinated object "
        f"{change('chair_s', '**')}, objects covered {change('coverage')}, existence questions right "
        f"{change('pope_accuracy')}. [Every seed with its intervals](docs/results.md), from "
        f"`{result['machine']['command']}`."
    )


def table(result: dict[str, Any]) -> str:
    """Every seed with its paired difference and interval, and the mean."""
    seeds = [run["seed"] for run in result["runs"]]
    lines = [f"| | base | aligned, mean | {' | '.join(f'difference, seed {seed}' for seed in seeds)} |"]
    lines.append("|---" * (3 + len(seeds)) + "|")
    for name, label in NAMES.items():
        means = result["summary"]["means"][name]
        cells = [f"{100 * means[side]:.1f}" for side in ("base", "aligned")]
        cells += [_difference(run["figures"][name]["difference"]) for run in result["runs"]]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    machine = result["machine"]
    lines += ["", f"In %, 95 % intervals of the paired difference. `{machine['command']}` at {machine['commit'][:10]}."]
    return "\n".join(lines)


def _difference(figure: dict[str, float]) -> str:
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def rewrite(page: Path, block: str, text: str) -> None:
    """Replace what stands between `<!-- block -->` and `<!-- end of block -->`."""
    start, end = f"<!-- {block} -->", f"<!-- end of {block} -->"
    pattern = re.escape(start) + ".*?" + re.escape(end)
    page.write_text(re.sub(pattern, lambda _: f"{start}\n{text}\n{end}", page.read_text(), flags=re.DOTALL))


def main() -> None:
    found = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    rewrite(Path("README.md"), "demo_alignment", headline(found["demo_alignment"]))
    for name, result in found.items():
        rewrite(Path("docs/results.md"), name, table(result))


if __name__ == "__main__":
    main()
