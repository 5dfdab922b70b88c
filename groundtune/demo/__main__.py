"""`python -m groundtune.demo write|build`: the data of a demo world, and its models from nothing."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from groundtune.demo.cutouts import TUXPAINT_STAMPS
from groundtune.errors import GroundtuneError, SettingError

WORLDS = ("drawn", "cutouts")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m groundtune.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="write prompts, images, and the validation and eval splits")
    write.add_argument("--out", type=Path, required=True, help="folder to write to")
    write.add_argument("--prompts", type=_count, default=600, help="prompts to align on (default 600)")
    write.add_argument("--eval", type=_count, default=300, help="pictures in each of validation and eval (default 300)")
    write.add_argument("--seed", type=int, default=0, help="the same seed writes the same bytes (default 0)")
    write.add_argument("--synonyms", type=Path, help="cutouts: CHAIR's table of COCO's objects, a file of yours")
    build = commands.add_parser("build", help="train the tiny CLIP and LLaVA")
    build.add_argument("--out", type=Path, required=True, help="folder that receives llava/, clip/ and BUILD.json")
    build.add_argument("--seed", type=int, default=0, help="seed of scenes, weights and batches (default 0)")
    build.add_argument(
        "--threads", type=_count, default=1, help="threads of torch (default 1: the same weights anywhere)"
    )
    build.add_argument(
        "--clips",
        type=Path,
        help="folder that keeps both CLIPs once trained; a build that was stopped goes on from it "
        "(default: none for drawn, clips/ in --out for cutouts)",
    )
    build.add_argument("--quick", action="store_true", help="a few steps only: checks the command, not the models")
    for command in (write, build):
        command.add_argument("--world", choices=WORLDS, default="drawn", help="which world (default drawn)")
        command.add_argument(
            "--photographs",
            type=Path,
            default=TUXPAINT_STAMPS,
            help=f"cutouts: folder of captioned PNGs with alpha (default {TUXPAINT_STAMPS})",
        )
    chosen = parser.parse_args(arguments)
    try:
        print({"write": _write, "build": _build}[chosen.command](chosen))
    except GroundtuneError as error:
        sys.exit(str(error))


def _write(chosen: argparse.Namespace) -> str:
    if chosen.world == "cutouts":
        from groundtune.demo.cutouts.dataset import OFFICIAL, write_cutouts
        from groundtune.demo.cutouts.world import CutoutWorld

        if chosen.synonyms is None:
            raise SettingError("synonyms", "", f"--synonyms, {OFFICIAL}")
        world = CutoutWorld(chosen.photographs)
        asked = write_cutouts(world, chosen.out, chosen.prompts, chosen.eval, chosen.seed, chosen.synonyms)
        return (
            f"written      {chosen.prompts:,} prompts, {chosen.eval:,} validation and {chosen.eval:,} eval pictures of "
            f"{len(world.inventory.kinds)} kinds; in eval {asked:,} questions of POPE -> {chosen.out}"
        )
    from groundtune.demo.dataset import write_demo

    done = write_demo(chosen.out, chosen.prompts, chosen.eval, chosen.seed)
    return (
        f"written      {done.prompts:,} prompts, {done.validation:,} validation and {done.evaluation:,} eval "
        f"pictures; in eval {done.pope_questions:,} questions of POPE, {done.mme_questions:,} of MME, "
        f"{done.amber_questions:,} of AMBER and {done.instructions:,} instructions -> {chosen.out}"
    )


def _build(chosen: argparse.Namespace) -> str:
    from groundtune.demo.build import build, summary

    make = functools.partial(build, chosen.out, chosen.seed, chosen.quick, functools.partial(print, flush=True))
    if chosen.world == "cutouts":
        from groundtune.demo.cutouts.training import CUTOUT_BUILD
        from groundtune.demo.cutouts.world import CutoutWorld

        clips = chosen.clips or chosen.out / "clips"
        return summary(make(chosen.threads, clips, CutoutWorld(chosen.photographs), CUTOUT_BUILD))
    return summary(make(chosen.threads, chosen.clips))


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {value}")
    return value


if __name__ == "__main__":
    main()
