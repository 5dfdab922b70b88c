"""The embedded picture world's files, written when a run is the first to want them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundtune import storage

FOLDER = Path("runs/demo/data")
PROMPTS, PICTURES = 400, 200  # as `make demo` writes them
WEEKS, PROMPTS_A_WEEK = 3, 200  # of the retraining


def ensure_demo_data(folder: Path = FOLDER, prompts: int = PROMPTS) -> None:
    """Write the world unless it is there. The same bytes every time."""
    if (folder / "eval" / "mme").is_dir():
        return
    from groundtune.demo.dataset import write_demo

    write_demo(folder, prompts, PICTURES, seed=0)


def is_the_demos(arguments: Mapping[str, Any]) -> bool:
    """Whether inbox, rounds and images still lie beside each other on this machine, as the preset has them: nobody
    else's inbox is written to."""
    places = [str(arguments[name]) for name in ("inbox", "rounds_root", "images_root")]
    return not any(map(storage.is_s3, places)) and len({Path(place).parent for place in places}) == 1


def arriving(arguments: Mapping[str, Any]) -> Iterator[int]:
    """The weeks of the demo's retraining that are not done yet, each when its prompts lie in the inbox; after them one
    more, of whatever else lies there. A run that was killed finds its week in the inbox, and goes on with it."""
    from groundtune.rounds.record import PROMOTED, REFUSED, stories

    data, inbox = Path(arguments["images_root"]), Path(arguments["inbox"])
    ensure_demo_data(data, WEEKS * PROMPTS_A_WEEK)
    rows = (data / "prompts.jsonl").read_text("utf-8").splitlines(keepends=True)
    inbox.mkdir(parents=True, exist_ok=True)
    done = sum(story.state in (PROMOTED, REFUSED) for story in stories(arguments["rounds_root"]))
    if done >= WEEKS:
        yield WEEKS
    for week in range(done, WEEKS):
        coming = inbox / f".week-{week + 1}.jsonl"  # hidden until it is whole
        coming.write_text("".join(rows[week * PROMPTS_A_WEEK : (week + 1) * PROMPTS_A_WEEK]), "utf-8")
        coming.replace(inbox / coming.name.removeprefix("."))
        yield week
