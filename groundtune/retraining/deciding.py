"""decide_promotion: the gate's verdict of a challenger, as data, in words, and in MLflow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundtune import tracking
from groundtune.artifacts import read_artifact
from groundtune.errors import ArtifactError
from groundtune.progress import say
from groundtune.promotion.gate import GateVerdict, decide
from groundtune.settings import GateSettings
from groundtune.tracking.ledger import noted

STAGE = "decide_promotion"
SCHEMA = 1
_FILE = "verdict.json"


@noted(STAGE)
def run(
    champion_answers: str | Path,
    challenger_answers: str | Path,
    base_answers: str | Path,
    prompts: str | Path,
    verdict: str | Path,
    summary: str | Path,
    settings: GateSettings | Mapping[str, Any],
) -> GateVerdict:
    """Write the folder `verdict` (verdict.json: rules, and the figures that they are about) and the summary (Markdown).

    The answers are `answers` artifacts of the same questions; prompts: of the round, whose rejected rows count. Raises
    what `gate.decide` raises.
    """
    settings = GateSettings.of(settings, "gate")
    champion, challenger, base = (
        read_artifact(path, "answers") for path in (champion_answers, challenger_answers, base_answers)
    )
    inputs = {"champion": champion.digest, "challenger": challenger.digest, "base": base.digest}
    with tracking.stage(STAGE, settings=settings.to_mapping(), inputs=inputs) as log:
        found = decide(champion, challenger, base, settings, read_artifact(prompts, "prompts"))
        Path(verdict).mkdir(parents=True, exist_ok=True)
        content = {"schema": SCHEMA, "verdict": found.as_dict(), "figures": found.figures}
        (Path(verdict) / _FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        Path(summary).write_text(found.markdown(), encoding="utf-8")
        log.tag("groundtune.promote", found.promote)
        log.tag("groundtune.verdict", found.sentence)
        log.tag("groundtune.reasons", "; ".join(found.reasons))
        log.artifact(Path(verdict) / _FILE)
        say(STAGE, found.sentence)
        for reason in found.reasons if not found.promote else ():
            say(STAGE, reason)
        return found


def read_decision(verdict: str | Path) -> dict[str, Any]:
    """{"verdict": GateVerdict.as_dict(), "figures": ...}. Raises ArtifactError for one of another schema."""
    file = Path(verdict) / _FILE
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if content.pop("schema", None) != SCHEMA:
        raise ArtifactError(f"{file}: written by another version of groundtune, this one reads schema {SCHEMA}")
    return content
