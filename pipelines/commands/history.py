"""history: the champions of a registered model, with why each was made."""

import argparse
from typing import Any

from pipelines.commands import champion


def add(subparsers: Any) -> None:
    """The command's options."""
    parser = subparsers.add_parser("history", help="the champions of a registered model")
    champion.add_model(parser)
    parser.add_argument("--reasons", action="store_true", help="with why each was made")


def run(given: argparse.Namespace) -> int:
    """Print one line a reign, the present one last; and set aliases that a killed promotion left behind."""
    from groundtune.promotion.champions import Champions, described

    champions = Champions(given.model)
    history = champions.history()
    if not history:
        print(f"{given.model} never had a champion")
        return 0
    champions.set_aliases()
    print(described(history, given.reasons))
    return 0
