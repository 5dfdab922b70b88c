"""python -m pipelines run|compile: start a pipeline on this machine, or write its package for a cluster."""

import argparse
import sys
from pathlib import Path
from typing import Any

from groundtune.errors import GroundtuneError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("run", help="run on this machine with kfp.local")
    started = start.add_subparsers(dest="pipeline", required=True)
    for name, add in (("align", _align_options), ("evaluate", _evaluate_options)):
        add(started.add_parser(name, help=f"the pipeline `{name}`"))
    pack = commands.add_parser("compile", help="write KFP packages")
    pack.add_argument("--out", default="compiled", help="folder of the packages")
    given = parser.parse_args(argv)
    try:
        return {"run": _run, "compile": _compile}[given.command](given)
    except GroundtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130


def _options(parser: argparse.ArgumentParser, pipeline: str) -> None:
    parser.add_argument("--config", default="", help="YAML file with the run's settings")
    parser.add_argument("--preset", default="", help=f"a preset of pipelines/presets/{pipeline}, e.g. demo")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="override one setting")
    parser.add_argument("--work", default="", help="work folder; the same folder resumes")
    parser.add_argument("--verbose", action="store_true", help="show the executor's log as well")


def _align_options(parser: argparse.ArgumentParser) -> None:
    _options(parser, "align")


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    _options(parser, "evaluate")
    parser.add_argument("--model", help="checkpoint folder or s3:// prefix")
    parser.add_argument("--adapter", help="PEFT adapter on top of it")
    parser.add_argument("--baseline", help="a second checkpoint to compare with")
    parser.add_argument("--baseline-adapter", help="adapter of the baseline")
    parser.add_argument("--benchmarks", help="names, comma-separated: pope,mme,amber,chair,...; found below the root")
    parser.add_argument("--benchmarks-root", help="question files and images (default: the embedded picture world)")
    parser.add_argument("--allow-missing", action="store_true", help="leave out questions without an image, counted")


def _run(given: argparse.Namespace) -> int:
    return {"align": _run_align, "evaluate": _run_evaluate}[given.pipeline](given)


def _run_align(given: argparse.Namespace) -> int:
    from pipelines import config, local
    from pipelines.align import align, align_with_images
    from pipelines.closing import align_words

    loaded = config.load(config.AlignConfig, given.config, given.preset, tuple(given.set))
    pipeline = align_with_images if loaded.image_preferences else align
    work = _work(given, given.preset or Path(given.config).stem)
    outputs = local.run(pipeline, loaded.arguments(), work, given.verbose)
    _say(align_words(outputs, work))
    return 0


def _run_evaluate(given: argparse.Namespace) -> int:
    from groundtune.benchmarks.discovery import discover, discover_vocabulary
    from pipelines import config, local
    from pipelines.closing import evaluate_words
    from pipelines.demo_data import ensure_demo_data
    from pipelines.evaluate import evaluate

    preset = given.preset or ("" if given.config or given.benchmarks_root else "demo")
    if preset == "demo":
        ensure_demo_data()
    places = ("model", "adapter", "baseline", "baseline_adapter", "benchmarks_root")
    direct: dict[str, Any] = {name: getattr(given, name) for name in places if getattr(given, name) is not None}
    if given.allow_missing:
        direct["evaluation"] = {"allow_missing": True}
    loaded = config.load(config.EvaluateConfig, given.config, preset, tuple(given.set), direct)
    arguments = loaded.arguments()
    if given.benchmarks is not None or not arguments["evaluation"]["benchmarks"]:
        names = (given.benchmarks or "pope,mme,amber,chair").split(",")
        arguments["evaluation"]["benchmarks"] = discover(arguments["benchmarks_root"], [n.strip() for n in names])
    if not arguments["evaluation"]["vocabulary"]:
        arguments["evaluation"]["vocabulary"] = discover_vocabulary(arguments["benchmarks_root"])
    work = _work(given, f"evaluate-{preset or Path(given.config or given.benchmarks_root).stem}")
    outputs = local.run(evaluate, arguments, work, given.verbose)
    _say(evaluate_words(outputs, work))
    return 0


def _compile(given: argparse.Namespace) -> int:
    from pipelines.packages import compile_all

    for package in compile_all(Path(given.out)):
        print(package)
    return 0


def _work(given: argparse.Namespace, name: str) -> Path:
    return Path(given.work or Path("runs") / name).absolute()


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")  # print may still be kfp's, which indents


if __name__ == "__main__":
    sys.exit(main())
