"""How much of the card is used: MFU of the training step, tokens a second of sampling against the card's limit.

    python -m bench.gpu                                        # LLaVA-1.5-7B's shape, LoRA r=128, bfloat16, on a GPU
    python -m bench.gpu --size tiny --device cpu --dtype float32 --least-pairs 1 --most-pairs 1 --samples 2   # try
    python -m bench.engine step reference sampling --sizes llava-7b --device cuda --dtype bfloat16   # the neighbours

Random weights, drawn on the device. The batch of the training step is doubled until it does not fit, without gradient
checkpointing and with it. Operations are counted by bench/engine/flops.py, the card's own figures are in
bench/engine/limits.py; what a matrix product reaches by trial stands beside them. Writes bench/results/engine_gpu.json.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.engine import flops, limits, page
from bench.engine.case import size_named
from bench.engine.case_files import case_of
from bench.engine.results import FOLDER, store
from bench.engine.sizes import Size
from bench.engine.statistics import spread
from bench.engine.turns import SideFailed, running

OUT_OF_MEMORY = ("OutOfMemoryError", "out of memory", "DefaultCPUAllocator")


def training(size: Size, place: dict[str, Any], least: int, most: int, rounds: int) -> list[dict[str, Any]]:
    """A row for every batch that fits, from `least` to `most` pairs, without and with gradient checkpointing."""
    rows = []
    for checkpointing in (False, True):
        pairs = least
        while pairs <= most:
            try:
                rows.append(step(replace(size, pairs=pairs, steps=2), place, checkpointing, rounds))
            except SideFailed as error:
                if not any(word in str(error) for word in OUT_OF_MEMORY):
                    raise
                print(f"{pairs} pairs do not fit", flush=True)
                break
            print(rows[-1], flush=True)
            pairs *= 2
    return rows


def step(size: Size, place: dict[str, Any], checkpointing: bool, rounds: int) -> dict[str, Any]:
    """Seconds, operations and memory of one training step of size.pairs pairs, and where the time goes."""
    with tempfile.TemporaryDirectory() as folder:
        case = case_of(replace(size, epoch_pairs=1, prompts=1), Path(folder), **place)
        with running("step", ["ours"], replace(case, gradient_checkpointing=checkpointing)) as workers:
            turns = [workers["ours"].ask("turn") for _ in range(rounds)]
            shares = workers["ours"].ask("profile")["shares"]
    return {
        "pairs": size.pairs,
        "gradient_checkpointing": checkpointing,
        "seconds": spread([turn["seconds"] / turn["steps"] for turn in turns]),
        "operations": turns[0]["operations"] / turns[0]["steps"],
        "peak": max(turn["peak_device"] or turn["peak"] for turn in turns),
        "profile": shares,
    }


def of_the_card(rows: list[dict[str, Any]], card: limits.Limit, trial: limits.Limit) -> list[dict[str, Any]]:
    """MFU of each row; 0 where the card's sheet is not known."""
    for row in rows:
        reached = row["operations"] / row["seconds"]["median"]
        row["mfu"] = reached / card.operations if card.operations else 0.0
        row["of_measured_peak"] = reached / trial.operations
    return rows


def sampling(
    size: Size, place: dict[str, Any], samples: Sequence[int], limit: limits.Limit, rounds: int
) -> list[dict[str, Any]]:
    """Tokens a second for each K, prefill included, beside what the machine could do at best."""
    rows = []
    for count in samples:
        shaped = replace(size, samples=count, cache_tokens=10**9, pairs=1, steps=1, epoch_pairs=1)
        with tempfile.TemporaryDirectory() as folder:
            case = case_of(shaped, Path(folder), **place)
            with running("sampling", ["ours"], case) as workers:
                turns = [workers["ours"].ask("turn") for _ in range(rounds)]
        prefix = size.image_tokens + 16  # the instruction and its frame
        number = torch.finfo(getattr(torch, place["dtype"])).bits // 8
        least, what = limits.decoding_seconds(shaped, limit, size.prompts, count, prefix, size.new_tokens, number)
        prefill = size.prompts * flops.prefill(shaped, prefix) / limit.operations
        best = turns[0]["tokens"] / (prefill + size.new_tokens * least)
        rate = spread([turn["tokens"] / turn["sampling_seconds"] for turn in turns])
        row = {"samples": count, "prompts": size.prompts, "tokens_per_second": rate, "limit": best}
        rows.append(row | {"of_limit": rate["median"] / best, "limited_by": what})
        print(rows[-1], flush=True)
    return rows


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="llava-7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--least-pairs", type=int, default=4, help="batch to begin with")
    parser.add_argument("--most-pairs", type=int, default=256, help="largest batch to try")
    parser.add_argument("--samples", type=int, nargs="+", default=[8, 16, 32], help="K of sampling")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args(words)
    size = size_named(given.size)
    place = {"threads": given.threads, "device": given.device, "dtype": given.dtype}
    trial = limits.by_trial(given.device, given.dtype)
    if given.device != "cpu":
        torch.cuda.empty_cache()  # what is measured next has the card to itself
    card = limits.of_card(torch.cuda.get_device_name() if given.device != "cpu" else "")
    limit = card if card.operations else trial
    found = {
        "limit": vars(limit),
        "trial": vars(trial),
        "training": of_the_card(training(size, place, given.least_pairs, given.most_pairs, given.rounds), card, trial),
        "sampling": sampling(size, place, given.samples, limit, given.rounds),
    }
    print(f"written to {store('gpu', given.size, found, given.threads, given.out, given.device)}")
    if given.out == FOLDER:
        page.write()


if __name__ == "__main__":
    main()
