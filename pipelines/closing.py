"""The last words of a run: the table, and where to look."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from groundtune import storage
from groundtune.promotion.champions import Champions
from groundtune.report.headline import headline_text
from groundtune.report.rounds.markdown import markdown
from groundtune.rounds.record import stories
from groundtune.tracking.redaction import scrub

RESULT = "result.json"


def align_words(outputs: dict[str, Any], work: Path) -> str:
    """Copies the report to <work>/report.html, writes where everything is to <work>/result.json, and says so."""
    places = _keep(outputs, work, {"report": "report.html"})
    table = headline_text(places["base_answers"], places["aligned_answers"])
    return f"\n{table}\n\nreport   {places['report']}\nadapter  {places['adapter']}\nMLflow   {_tracking_page()}\n"


def tables_words(outputs: dict[str, Any], work: Path) -> str:
    """Copies page, summary and tables beside each other in <work>, writes <work>/result.json, and says so."""
    places = _keep(outputs, work, {"page": "report.html", "summary": "summary.md"})
    summary = Path(places["summary"]).read_text()
    return f"\n{summary}\nreport   {places['page']}\ntables   {places['tables']}\nMLflow   {_tracking_page()}\n"


def rounds_words(rounds_root: str, title: str, model_name: str) -> str:
    """How the rounds stand, who is champion by now, and where their page and the registry are."""
    told, reign = markdown(stories(rounds_root), title), Champions(model_name).current()
    champion = f"version {reign.version}, {reign.kind} {reign.number}" if reign else "nobody yet"
    page = storage.join(rounds_root, "report.html")
    return f"\n{told}\nchampion {champion}\nrounds   {page}\nMLflow   {_tracking_page()}\n"


def _keep(outputs: dict[str, Any], work: Path, copied: dict[str, str]) -> dict[str, str]:
    """Output name -> where it is; some are copied into the work folder under a name that a person remembers."""
    places = {name: str(artifact.path) for name, artifact in outputs.items()}
    for name, file in copied.items():
        shutil.copyfile(places[name], work / file)
        places[name] = str(work / file)
    (work / RESULT).write_text(json.dumps(places, indent=1) + "\n")
    return places


def _tracking_page() -> str:
    tracking = scrub(os.environ["MLFLOW_TRACKING_URI"])  # it may hold user:password@
    return tracking if tracking.startswith("http") else f"mlflow ui --backend-store-uri {tracking}"
