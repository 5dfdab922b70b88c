"""run: start a pipeline on this machine with kfp.local."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pipelines.commands import chosen


def add(subparsers: Any) -> None:
    """The command's options, for each pipeline."""
    parser = subparsers.add_parser("run", help="run on this machine with kfp.local")
    started = parser.add_subparsers(dest="pipeline", required=True)
    for name in ("align", "evaluate", "compare", "retrain"):
        options = started.add_parser(name, help=f"the pipeline `{name}`")
        chosen.add_options(options, name)
        options.add_argument("--work", default="", help="work folder; the same folder resumes")
        options.add_argument("--verbose", action="store_true", help="show the executor's log as well")


def run(given: argparse.Namespace) -> int:
    """Run the pipeline to its end and print its last words."""
    return {"align": _align, "evaluate": _evaluate, "compare": _compare, "retrain": _retrain}[given.pipeline](given)


def _align(given: argparse.Namespace) -> int:
    from pipelines import local
    from pipelines.align import align, align_with_images
    from pipelines.closing import align_words

    loaded = chosen.load(given)
    work = _work(given, given.preset or Path(given.config).stem)
    pipeline = align_with_images if chosen.package_name(loaded) == "align_with_images" else align
    _say(align_words(local.run(pipeline, loaded.arguments(), work, given.verbose), work))
    return 0


def _evaluate(given: argparse.Namespace) -> int:
    from pipelines import local
    from pipelines.closing import tables_words
    from pipelines.demo_data import ensure_demo_data
    from pipelines.evaluate import evaluate

    preset = given.preset = given.preset or ("" if given.config or given.benchmarks_root else "demo")
    if preset == "demo":
        ensure_demo_data()
    arguments = chosen.arguments(given, chosen.load(given))
    work = _work(given, f"evaluate-{preset or Path(given.config or given.benchmarks_root).stem}")
    _say(tables_words(local.run(evaluate, arguments, work, given.verbose), work))
    return 0


def _compare(given: argparse.Namespace) -> int:
    from pipelines import local
    from pipelines.closing import tables_words
    from pipelines.compare import compare
    from pipelines.demo_data import FOLDER, ensure_demo_data
    from pipelines.watching import told_how_far

    preset = given.preset = given.preset or ("" if given.config else "demo")
    arguments = chosen.load(given).arguments()
    if Path(arguments["prompts"]).is_relative_to(FOLDER.absolute()):
        ensure_demo_data()
    work = _work(given, f"compare-{preset or Path(given.config).stem}")
    trainings = [f"{method['name']} {seed}" for method in arguments["methods"] for seed in arguments["seeds"]]
    with told_how_far(trainings):
        made = local.run(compare, arguments, work, given.verbose)
    _say(tables_words(made, work))
    return 0


def _retrain(given: argparse.Namespace) -> int:
    from pipelines import local
    from pipelines.closing import rounds_words
    from pipelines.demo_data import arriving, is_the_demos
    from pipelines.retrain import retrain, retrain_with_images

    preset = given.preset = given.preset or ("" if given.config else "demo")
    loaded = chosen.load(given)
    arguments = loaded.arguments()
    work = _work(given, f"retrain-{preset or Path(given.config).stem}")
    pipeline = retrain_with_images if chosen.package_name(loaded) == "retrain_with_images" else retrain
    for _ in arriving(arguments) if preset == "demo" and is_the_demos(arguments) else range(1):
        local.run(pipeline, arguments, work, given.verbose)
    _say(rounds_words(arguments["rounds_root"], arguments["title"], arguments["registry"]["model_name"]))
    return 0


def _work(given: argparse.Namespace, name: str) -> Path:
    return Path(given.work or Path("runs") / name).absolute()


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")  # print may still be kfp's, which indents
