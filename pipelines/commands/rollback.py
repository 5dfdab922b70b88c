"""rollback: the champion before the present one is champion again."""

import argparse
from typing import Any

from pipelines.commands import champion


def add(subparsers: Any) -> None:
    """The command's options."""
    parser = subparsers.add_parser("rollback", help="make the champion before the present one champion again")
    champion.add_model(parser)
    parser.add_argument("--reason", required=True, help="why; it stays in the history")


def run(given: argparse.Namespace) -> int:
    """Go back and print who is champion now."""
    from groundtune.promotion.champions import Champions

    champions = Champions(given.model)
    champions.rollback(given.reason, by=champion.user())
    champion.say(champions)
    return 0
