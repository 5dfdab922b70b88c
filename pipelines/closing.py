"""The last words of a run: the table, and where to look."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from groundtune.report.headline import headline_text

RESULT = "result.json"


def closing_words(outputs: dict[str, Any], work: Path) -> str:
    """Copies the report to <work>/report.html, writes where everything is to <work>/result.json, and says so."""
    report = work / "report.html"
    shutil.copyfile(outputs["report"].path, report)
    places = {name: artifact.path for name, artifact in outputs.items()} | {"report": str(report)}
    (work / RESULT).write_text(json.dumps(places, indent=1) + "\n")
    tracking = os.environ["MLFLOW_TRACKING_URI"]
    page = tracking if tracking.startswith("http") else f"mlflow ui --backend-store-uri {tracking}"
    table = headline_text(places["base_answers"], places["aligned_answers"])
    return f"\n{table}\n\nreport   {report}\nadapter  {places['adapter']}\nMLflow   {page}\n"
