"""export: a registered version as a plain PEFT folder, or merged into a checkpoint."""

import argparse
from typing import Any

from pipelines.commands import champion


def add(subparsers: Any) -> None:
    """The command's options."""
    parser = subparsers.add_parser("export", help="write a registered version as files that other programs read")
    champion.add_model(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", default="", help="a version's number")
    which.add_argument("--alias", default="champion", help="or the version of an alias, default %(default)s")
    parser.add_argument("--out", required=True, help="a folder that is not there yet")
    parser.add_argument("--merged", action="store_true", help="a whole checkpoint, for transformers and vLLM")
    parser.add_argument("--base", default="", help="the base checkpoint, when it does not lie where it lay")


def run(given: argparse.Namespace) -> int:
    """Write it and say how it is loaded."""
    from groundtune.promotion.export import export

    uri = f"models:/{given.model}/{given.version}" if given.version else f"models:/{given.model}@{given.alias}"
    out = export(uri, given.out, merged=given.merged, base=given.base)
    print(f"load      {'LlavaForConditionalGeneration' if given.merged else 'PeftModel'}.from_pretrained: {out}")
    return 0
