"""`python -m groundtune.benchmarks.human_preference sheet|read`: a sheet for raters, and what they said."""

import argparse
import json
import sys
from pathlib import Path

from groundtune.artifacts import read_artifact
from groundtune.benchmarks.human_preference.result import read_verdicts, to_markdown
from groundtune.benchmarks.human_preference.sheet import TITLE, write_sheet
from groundtune.errors import GroundtuneError


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m groundtune.benchmarks.human_preference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="write the page for raters, and key.json beside it")
    sheet.add_argument("--base", required=True, help="`answers` artifact of the base model")
    sheet.add_argument("--aligned", required=True, help="`answers` artifact of the aligned model")
    sheet.add_argument("--images", required=True, help="folder or s3:// prefix of the questions' images")
    sheet.add_argument("--out", type=Path, required=True, help="the page, e.g. sheet/sheet.html")
    sheet.add_argument("--number", type=int, default=100, help="pairs to show (default 100)")
    sheet.add_argument("--seed", type=int, default=0, help="draws the questions and the sides (default 0)")
    sheet.add_argument("--title", default=TITLE, help=f"the page's title (default {TITLE!r})")
    read = commands.add_parser("read", help="win rate and agreement from the files that raters saved")
    read.add_argument("--key", required=True, help="key.json of the sheet")
    read.add_argument("--out", type=Path, help="also write the result as JSON")
    read.add_argument("verdicts", nargs="+", help="verdicts-*.json, one a rater")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "sheet":
            base, aligned = (read_artifact(path, "answers") for path in (chosen.base, chosen.aligned))
            key = write_sheet(
                base, aligned, chosen.images, chosen.out, number=chosen.number, seed=chosen.seed, title=chosen.title
            )
            print(
                f"sheet        {len(key.pairs):,} pairs, {len(key.identical):,} of identical answers left out -> "
                f"{chosen.out}\nkey          keep it from the raters -> {chosen.out.with_name('key.json')}"
            )
            return
        result = read_verdicts(chosen.key, chosen.verdicts)
    except GroundtuneError as error:
        sys.exit(str(error))
    print(to_markdown(result), end="")
    if chosen.out:
        chosen.out.write_text(json.dumps(result.as_dict(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
