"""report_rounds: all rounds of retraining on one page that stands beside them and is written anew after each."""

import tempfile
from pathlib import Path

from groundtune import storage, tracking
from groundtune.artifacts import flat_scalars
from groundtune.progress import say
from groundtune.report.rounds.figure import served_now
from groundtune.report.rounds.markdown import markdown
from groundtune.report.rounds.page import TITLE, drawings, render
from groundtune.report.rounds.words import Stories, cautions, explanation, headline, key_metrics
from groundtune.rounds.record import stories as stories_of
from groundtune.tracking.ledger import noted

STAGE = "report_rounds"


@noted(STAGE)
def run(
    root: str, page: str | Path, summary: str | Path, title: str = "", figures: str | Path | None = None
) -> dict[str, float]:
    """Write the page (HTML), the summary (Markdown) and, when `figures` is given, the charts (SVG) into that folder.

    root: folder or s3:// prefix of the rounds, which gets report.html and figures/*.svg as well. A round that has not
    ended is shown as running: end it first. Returns the served model's last figures, "champion.chair/chairs".
    """
    with tracking.stage(STAGE, settings={}, inputs={}) as log, tempfile.TemporaryDirectory() as folder:
        found = stories_of(root)
        html, text = render(found, title), markdown(found, title or TITLE)
        drawn = {f"figures/{name}": svg for name, svg in drawings(found).items()}
        made = {Path(page): html, Path(summary): text}
        made |= {Path(figures) / Path(name).name: svg for name, svg in drawn.items()} if figures else {}
        for path, content in made.items():
            _write(path, content)
        for name, content in {"report.html": html, **drawn}.items():
            file = _write(Path(folder) / name, content)
            storage.publish_file(file, storage.join(root, name))
        served = scalars(found)
        log.metrics(served)
        for line in (headline(found), explanation(found), *cautions(found)):
            say(STAGE, line)
        tracking.summary(served, [Path(folder) / "report.html"], text)
    return served


def scalars(found: Stories) -> dict[str, float]:
    """What the served model scored last, by "champion.chair/chairs"."""
    figures = {metric.key: served_now(found, metric.key) for metric in key_metrics(found)}
    return flat_scalars({"champion": {key: estimate for key, estimate in figures.items() if estimate}})


def _write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path
