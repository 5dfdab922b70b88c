"""python -m pipelines COMMAND: run a pipeline on this machine, or package, start and schedule it on a cluster."""

import argparse
import sys

from groundtune.errors import GroundtuneError
from pipelines.commands import COMMANDS


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(subparsers)
    given = parser.parse_args(argv)
    try:
        return COMMANDS[given.command].run(given)
    except GroundtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
