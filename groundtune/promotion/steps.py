"""promote_version, rollback_version and champion_history: the log of champions as steps of anybody's pipeline.

Without `.set_caching_options(False)` KFP would take what such a task said the last time, and do nothing.
"""

import os
from pathlib import Path

from groundtune.progress import say
from groundtune.promotion.champions import CHAMPION, ROLLBACK, Champions, described
from groundtune.tracking.ledger import noted

NOW = -1  # as `after`: whoever reigns at this moment


@noted("promote_version")
def promote(model_name: str, version: str, reason: str, after: int = NOW) -> str:
    """Make a version champion; returns models:/<name>@champion. after: number of the reign that it was held against, 0
    for nobody, NOW for whoever reigns. Raises PromotionError when another champion came since."""
    champions = Champions(model_name)
    held = champions.current() if after == NOW else champions.reign(after)
    reign = champions.promote(version, held, reason, by=_run())
    say("promote_version", f"version {reign.version} of {model_name} is champion (reign {reign.number})")
    return f"models:/{model_name}@{CHAMPION}"


@noted("rollback_version")
def rollback(model_name: str, reason: str) -> str:
    """Make the champion before the present one champion again; returns models:/<name>@champion. Raises PromotionError
    when there is none."""
    champions, run = Champions(model_name), _run()
    reign = champions.current()
    if reign is None or not run or (reign.kind, reign.by) != (ROLLBACK, run):  # else a retried task, which has done it
        reign = champions.rollback(reason, by=run)
    champions.set_aliases()
    say("rollback_version", f"version {reign.version} of {model_name} is champion again (reign {reign.number})")
    return f"models:/{model_name}@{CHAMPION}"


@noted("champion_history")
def history(model_name: str, out: str | Path) -> str:
    """Write, and return, Markdown: a table of all reigns with their reasons. Sets the aliases that a killed promotion
    left behind."""
    champions = Champions(model_name)
    reigns = champions.history()
    if reigns:
        champions.set_aliases()
    told = f"```\n{described(reigns, reasons=True)}\n```\n" if reigns else f"{model_name} never had a champion.\n"
    Path(out).write_text(told, encoding="utf-8")
    return told


def _run() -> str:
    return os.environ.get("GROUNDTUNE_RUN_ID", "")
