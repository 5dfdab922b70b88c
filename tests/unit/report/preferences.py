"""Judgements of a run's descriptions by a scripted judge, as the real comparison writes them."""

import re
from pathlib import Path

from groundtune.artifacts import Artifact
from groundtune.benchmarks import preference
from tests.scripted_judge import Asked, Say, scripted_judge
from tests.unit.benchmarks.judge.requests import settings_of

PRAISE = "Answer {} tells what matters and names nothing that is not known of the picture. The other is longer only."


def favour(asked: Asked, share: int = 4) -> Say:
    """The shorter answer, but in one of `share` requests whichever stands first, and a tie where both are as long."""
    one, two = re.findall(r"Answer [AB]:\n<<<\n(.*?)\n>>>", asked.text, re.DOTALL)
    place = "A" if (len(one) * len(two)) % share == 0 or len(one) < len(two) else "B"
    if len(one) == len(two):
        return Say("Neither is better.\nWinner: tie", model="judge-2026", fingerprint="fp_7")
    return Say(f"{PRAISE.format(place)}\nWinner: {place}", model="judge-2026", fingerprint="fp_7")


def judged(base: Artifact, aligned: Artifact, out: Path) -> Artifact:
    with scripted_judge(lambda asked, before: favour(asked)) as server:
        settings = settings_of(server, out.with_name("cache"), prompt_price=2.0, completion_price=8.0)
        return preference.run(base.path, aligned.path, out, settings, resampling=preference.Resampling(200))
