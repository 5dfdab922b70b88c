"""`python -m groundtune.demo write|build`: the demo's data, and its models from nothing."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m groundtune.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="write prompts, images, and the validation and eval splits")
    write.add_argument("--out", type=Path, required=True, help="folder to write to")
    write.add_argument("--prompts", type=_count, default=600, help="prompts to align on (default 600)")
    write.add_argument("--eval", type=_count, default=300, help="pictures in each of validation and eval (default 300)")
    write.add_argument("--seed", type=int, default=0, help="the same seed writes the same bytes (default 0)")
    build = commands.add_parser("build", help="train the tiny CLIP and LLaVA")
    build.add_argument("--out", type=Path, required=True, help="folder that receives llava/, clip/ and BUILD.json")
    build.add_argument("--seed", type=int, default=0, help="seed of scenes, weights and batches (default 0)")
    build.add_argument(
        "--threads", type=_count, default=1, help="threads of torch (default 1: the same weights anywhere)"
    )
    build.add_argument("--clips", type=Path, help="folder with scorer/ and tower/ to use instead of training")
    build.add_argument("--quick", action="store_true", help="a few steps only: checks the command, not the models")
    chosen = parser.parse_args(arguments)
    if chosen.command == "write":
        from groundtune.demo.dataset import write_demo

        done = write_demo(chosen.out, chosen.prompts, chosen.eval, chosen.seed)
        print(
            f"written      {done.prompts:,} prompts, {done.validation:,} validation and {done.evaluation:,} eval "
            f"pictures; in eval {done.pope_questions:,} questions of POPE, {done.mme_questions:,} of MME, "
            f"{done.amber_questions:,} of AMBER and {done.instructions:,} instructions -> {chosen.out}"
        )
        return
    from groundtune.demo.build import build as build_models

    say = functools.partial(print, flush=True)
    build_models(chosen.out, chosen.seed, chosen.quick, say, chosen.threads, chosen.clips)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {value}")
    return value


if __name__ == "__main__":
    main()
