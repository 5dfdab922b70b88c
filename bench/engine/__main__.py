"""`python -m bench.engine [SUITE ...]`: runs the suites and rewrites docs/performance.md from what is stored."""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine import growth, page, selection
from bench.engine.case import size_named
from bench.engine.case_files import case_of
from bench.engine.results import FOLDER, store
from bench.engine.sides import SUITES, UNIT
from bench.engine.sizes import Size
from bench.engine.turns import in_turn


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", help=f"{', '.join([*SUITES, 'growth', 'selection'])}; default: all")
    parser.add_argument("--sizes", nargs="+", default=["demo", "mid"], help="models (bench/engine/sizes.py)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each side")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--candidates", type=int, nargs="+", default=selection.COUNTS, help="for `selection`")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args(words)
    for suite in given.suites:
        if suite not in (*SUITES, "growth", "selection"):
            parser.error(f"no suite {suite!r}")
    wanted = given.suites or [*SUITES, "growth", "selection"]
    for name in given.sizes:
        size = size_named(name)
        for suite in (suite for suite in wanted if suite in SUITES):
            place = {"threads": given.threads, "device": given.device, "dtype": given.dtype}
            found = compare(suite, size, given.rounds, **place)
            tell(store(suite, name, found, given.threads, given.out, given.device))
        if "growth" in wanted and given.device != "cpu":
            print(f"growth of {name}: not measured, it runs on a CPU")
        elif "growth" in wanted and name != "demo":  # the demo's positions end at 512
            tell(store("growth", name, growth.measure(size, given.threads), given.threads, given.out))
    if "selection" in wanted:
        tell(store("selection", "all", selection.measure(given.candidates), 1, given.out))
    if given.out == FOLDER:
        page.write()


def compare(suite: str, size: Size, rounds: int, **place: Any) -> dict[str, Any]:
    """One suite on one size; sampling with answers of equal length and with answers that end by chance.

    place: threads, device and dtype of Case.
    """
    with tempfile.TemporaryDirectory() as folder:
        case = case_of(size, Path(folder), **place)
        alone = case.device != "cpu"
        if suite != "sampling":
            return in_turn(suite, list(SUITES[suite]), case, rounds, UNIT[suite], alone)
        kinds = {"own_ends": True} if size.weights == "demo" else {"equal_lengths": False, "ends_by_chance": True}
        found = {}
        for kind, ends in kinds.items():
            found[kind] = in_turn(suite, list(SUITES[suite]), replace(case, ends=ends), rounds, UNIT[suite], alone)
        return {"kinds": found}


def tell(file: Path) -> None:
    print(f"written to {file}", flush=True)
    for size, found in json.loads(file.read_text())["cases"].items():
        for kind, one in found.get("kinds", {"": found}).items():
            for other, ratio in one.get("ratios", {}).items():
                print(f"  {size} {kind}: {ratio['median']:.2f} x {other} [{ratio['low']:.2f}, {ratio['high']:.2f}]")


if __name__ == "__main__":
    main()
