"""Does the champion stay? The demo's three rounds, then a planted bad one (shuffled scores), then a rollback.

    python -m bench.retraining --work runs/bench-retraining

Writes bench/results/retraining_demo.json, which `python -m bench.pages` puts into docs/retraining.md. Nothing is tuned
here: the preset is fixed before the test scenes are seen. A work folder that is there is gone on with.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.machine import describe
from groundtune.rounds.record import PROMOTED, REFUSED, RoundRecord, RoundStory, stories
from pipelines.demo_data import PROMPTS_A_WEEK, WEEKS, ensure_demo_data

OUT = Path("bench/results/retraining_demo.json")
FIGURES = Path("docs/images/retraining")
SHUFFLED = "selection.score_noise=100"  # of scores between 0 and 1: nothing is left of their order
MODEL = "groundtune-demo"
BACK = ("changed by the promotion", "not restored by the rollback")  # answers, of the questions asked


def _start(work: Path, *settings: str) -> None:
    places = {"inbox": "inbox", "rounds_root": "rounds", "images_root": "data", "benchmarks_root": "data/eval"}
    command = [sys.executable, "-m", "pipelines", "run", "retrain", "--preset", "demo", "--work", str(work)]
    for setting in (*(f"{name}={work / place}" for name, place in places.items()), *settings):
        command += ["--set", setting]
    subprocess.run(command, check=True)


def _decided(work: Path) -> list[RoundStory]:
    return [story for story in stories(str(work / "rounds")) if story.state in (PROMOTED, REFUSED)]


def _plant(work: Path) -> None:
    """A fourth week, of prompts that no other week had."""
    more = work / "more"
    ensure_demo_data(more, (WEEKS + 1) * PROMPTS_A_WEEK)
    rows = (more / "prompts.jsonl").read_text().splitlines(keepends=True)[WEEKS * PROMPTS_A_WEEK :]
    for row in rows:
        image = json.loads(row)["image"]
        shutil.copyfile(more / image, work / "data" / image)
    (work / "inbox" / "planted.jsonl").write_text("".join(rows))


def _answers(work: Path) -> list[str]:
    """What the champion answers about the first pictures, as the registry loads it."""
    import mlflow
    import pandas as pd  # type: ignore[import-untyped]

    mlflow.set_tracking_uri(f"sqlite:///{work.absolute()}/mlflow.db")
    pictures = sorted((work / "data" / "eval" / "images").glob("*.png"))[:20]
    asked = pd.DataFrame({"image": [str(one) for one in pictures], "instruction": ["Describe this image."] * 20})
    return [str(one) for one in mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict(asked)["answer"]]


def _roll_back(work: Path) -> dict[str, Any]:
    """Promotes the refused version by hand, goes back, and asks the same questions before and after."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{work.absolute()}/mlflow.db"}
    before = _answers(work)
    command = [sys.executable, "-m", "pipelines"]
    promote = ["promote", "--alias", "challenger", "--reason", "to see the way back", "--model", MODEL]
    subprocess.run([*command, *promote], check=True, env=environment)
    between = _answers(work)
    back = ["rollback", "--reason", "the way back", "--model", MODEL]
    subprocess.run([*command, *back], check=True, env=environment)
    after = _answers(work)
    changed, lost = (sum(map(str.__ne__, before, then)) for then in (between, after))
    return {"questions": len(before), **dict(zip(BACK, (changed, lost), strict=True))}


def stories_of(result: Mapping[str, Any]) -> list[RoundStory]:
    """The rounds of a result file."""
    return [RoundStory(**{**one, "record": RoundRecord(**one["record"])}) for one in result["rounds"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/bench-retraining"))
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    work = given.work.absolute()
    began = time.monotonic()
    _start(work)
    if len(_decided(work)) == WEEKS:
        _plant(work)
        _start(work, SHUFFLED)
    result = {
        "rounds": [asdict(story) for story in _decided(work)],
        "planted": {"round": len(_decided(work)), "setting": SHUFFLED},
        "rollback": _roll_back(work),
        "seconds": round(time.monotonic() - began),
        "machine": describe(" ".join(["python", "-m", "bench.retraining", *sys.argv[1:]])),
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
