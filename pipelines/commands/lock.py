"""lock: write images.lock, the references by digest of the images that were built."""

import argparse
from pathlib import Path
from typing import Any

from components.images import ROLES


def add(subparsers: Any) -> None:
    """The command's options: a file of skaffold's, or an option a role; the latter wins."""
    parser = subparsers.add_parser("lock", help="write the digests of built images to images.lock")
    parser.add_argument("--from", dest="build", metavar="FILE", help="what `skaffold build --file-output FILE` wrote")
    for role in ROLES:
        parser.add_argument(f"--{role}", dest=role, metavar="IMAGE", help=f"image of images/{role}: name@sha256:...")
    parser.add_argument("--out", default="images.lock", help="the lock's file")
    add_allow_tags(parser)


def add_allow_tags(parser: argparse.ArgumentParser) -> None:
    """--allow-tags: the one way around the rule that a reference has a digest."""
    parser.add_argument("--allow-tags", action="store_true", help="take references without digest, for development")


def run(given: argparse.Namespace) -> int:
    """Write the lock and print what it holds."""
    from groundtune.errors import SettingError
    from pipelines import image_lock

    references = image_lock.read_build(Path(given.build), given.allow_tags) if given.build else {}
    for role in ROLES:
        reference = getattr(given, role)
        if reference is not None:
            references[role] = image_lock.reference_of(role, reference, "the command line", given.allow_tags)
    if not references:
        raise SettingError("--from", "nothing", f"--from FILE, or one of {', '.join(f'--{role}' for role in ROLES)}")
    image_lock.write(Path(given.out), references)
    for role, reference in sorted(references.items()):
        print(f"{role}  {reference}")
    return 0
