"""promote: make a registered version champion by hand, past the gate."""

import argparse
from typing import Any

from pipelines.commands import champion


def add(subparsers: Any) -> None:
    """The command's options."""
    parser = subparsers.add_parser("promote", help="make a registered version champion by hand, past the gate")
    champion.add_model(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", default="", help="a version's number")
    which.add_argument("--alias", default="challenger", help="or the version of an alias")
    parser.add_argument("--reason", required=True, help="why; it stays in the history")


def run(given: argparse.Namespace) -> int:
    """Promote it and print who is champion now."""
    from groundtune.promotion.champions import Champions

    champions = Champions(given.model)
    version = given.version or champions.version_of(given.alias)
    champions.promote(version, champions.current(), given.reason, by=champion.user())
    champion.say(champions)
    return 0
