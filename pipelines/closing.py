"""The last words of a run: the table, and where to look."""

import os
import shutil
from pathlib import Path
from typing import Any


def closing_words(outputs: dict[str, Any], work: Path) -> str:
    """Copies the report to <work>/report.html and names it, the adapter and the MLflow page."""
    html = Path(outputs["report"].path)
    report = work / "report.html"
    shutil.copyfile(html, report)
    summary = Path(outputs["summary"].path).read_text()
    adapter = outputs["adapter"].path
    tracking = os.environ["MLFLOW_TRACKING_URI"]
    page = tracking if tracking.startswith("http") else f"mlflow ui --backend-store-uri {tracking}"
    return f"\n{summary.strip()}\n\nreport   {report}\nadapter  {adapter}\nMLflow   {page}\n"
