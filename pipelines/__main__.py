"""python -m pipelines run|compile: start a pipeline on this machine, or write its package for a cluster."""

import argparse
import sys
from pathlib import Path

from groundtune.errors import GroundtuneError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("run", help="run on this machine with kfp.local")
    start.add_argument("pipeline", choices=["align"])
    start.add_argument("--config", default="", help="YAML file with the run's settings")
    start.add_argument("--preset", default="", help="a preset of pipelines/presets, e.g. demo")
    start.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="override one setting")
    start.add_argument(
        "--work", default="", help="work folder; the same folder resumes (default runs/<preset or config>)"
    )
    start.add_argument("--verbose", action="store_true", help="show the executor's log as well")
    pack = commands.add_parser("compile", help="write KFP packages")
    pack.add_argument("--out", default="compiled", help="folder of the packages")
    given = parser.parse_args(argv)
    try:
        return _run(given) if given.command == "run" else _compile(given)
    except GroundtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130


def _run(given: argparse.Namespace) -> int:
    from pipelines import config, local
    from pipelines.align import align, align_with_images
    from pipelines.closing import closing_words

    loaded = config.load(given.config, given.preset, tuple(given.set))
    work = Path(given.work or Path("runs") / (given.preset or Path(given.config).stem)).absolute()
    arguments = loaded.arguments()
    pipeline = align_with_images if loaded.image_preferences else align
    outputs = local.run(pipeline, arguments, work, given.verbose)
    sys.stdout.write(closing_words(outputs, work) + "\n")  # print may still be kfp's, which indents
    return 0


def _compile(given: argparse.Namespace) -> int:
    from pipelines.packages import compile_all

    for package in compile_all(Path(given.out)):
        print(package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
