"""What the commands about a model's champion share."""

import argparse
import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.promotion.champions import Champions


def add_model(parser: argparse.ArgumentParser) -> None:
    from groundtune.settings import RegistrySettings

    parser.add_argument(
        "--model", default=RegistrySettings().model_name, help="the registered model, default %(default)s"
    )


def user() -> str:
    """Who promotes by hand."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has a number only
        return f"uid {os.getuid()}"


def say(champions: "Champions") -> None:
    """Who is champion now, and how to load it."""
    now = champions.current()
    if now is not None:
        print(f"champion  version {now.version} of {champions.name} (reign {now.number})")
        print(f"load      models:/{champions.name}@champion")
