"""compile: write the packages that `kfp run create`, the UI and a recurring run take."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pipelines.commands.lock import add_allow_tags


def add(subparsers: Any) -> None:
    """The command's options."""
    parser = subparsers.add_parser("compile", help="write KFP packages")
    parser.add_argument("--out", default="compiled", help="folder of the packages")
    parser.add_argument("--resources", default="", help="YAML of CPU and memory by component, over resources.yaml")
    parser.add_argument("--gpu-profile", default="", help="its budgets become the parameters' defaults")
    parser.add_argument(
        "--sampler",
        choices=("transformers", "vllm"),
        default="transformers",
        help="engine that samples candidates; vllm has an image of its own (docs/vllm.md)",
    )
    parser.add_argument("--images", metavar="FILE", help="an images.lock: the images of every task, by digest")
    add_allow_tags(parser)
    parser.add_argument(
        "--trainer",
        default="pod",
        choices=("pod", "trainjob"),
        help="train in one pod, or over several by Kubeflow Trainer (parallel.nodes)",
    )


def run(given: argparse.Namespace) -> int:
    """Write every package and print where each is."""
    from pipelines import image_lock
    from pipelines.packages import Packaging, compile_all

    images = image_lock.read(Path(given.images), given.allow_tags) if given.images else None
    how = Packaging(images, given.resources, given.gpu_profile, given.trainer, given.sampler)
    for package in compile_all(Path(given.out), how):
        print(package)
    if images is None:
        print("the images are tags for development, which move; --images images.lock names digests", file=sys.stderr)
    return 0
