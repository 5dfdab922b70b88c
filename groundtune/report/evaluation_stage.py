"""report_evaluation: what an evaluation found, as files for people."""

import shutil
from pathlib import Path

from groundtune import tracking
from groundtune.artifacts import read_artifact
from groundtune.benchmarks.contestants import PAIRWISE
from groundtune.benchmarks.human_preference.sheet import write_sheet
from groundtune.benchmarks.slices import BASELINE, MODEL
from groundtune.errors import ArtifactError, RecordError, StorageError
from groundtune.progress import say
from groundtune.report.evaluation_page import write_evaluation
from groundtune.tracking.ledger import noted

STAGE = "report_evaluation"


@noted(STAGE)
def run(
    evaluation: str | Path,
    images_root: str,
    page: str | Path,
    summary: str | Path,
    tables: str | Path,
    title: str = "",
) -> None:
    """Write the page (HTML), the summary (Markdown) and the folder `tables`: report.html, summary.md, tables.tex and,
    with a baseline, sheet/sheet.html for blind comparison by people with its key beside it.

    evaluation: folder that `score_answers` wrote. images_root: what image references are relative to. Raises
    ArtifactError when the folder holds no finished evaluation, or preferences among other answers.
    """
    folder, tables = Path(evaluation), Path(tables)
    model = read_artifact(folder / MODEL, "answers")
    baseline = read_artifact(folder / BASELINE, "answers") if (folder / BASELINE).is_dir() else None
    pairwise = read_artifact(folder / PAIRWISE, "judgements") if (folder / PAIRWISE).is_dir() else None
    read = {MODEL: model, BASELINE: baseline, PAIRWISE: pairwise}
    inputs = {name: artifact.digest for name, artifact in read.items() if artifact}
    with tracking.stage(STAGE, settings={"title": title}, inputs=inputs):
        names = (BASELINE, MODEL)
        write_evaluation(
            baseline,
            model,
            page,
            images_root,
            title,
            summary=summary,
            tables=tables / "tables.tex",
            names=names,
            pairwise=pairwise,
        )
        shutil.copyfile(page, tables / "report.html")
        shutil.copyfile(summary, tables / "summary.md")
        if baseline:
            _write_sheet(baseline.path, model.path, images_root, tables / "sheet" / "sheet.html")
        say(STAGE, f"{tables / 'report.html'}")
    rate = pairwise.results.get("win_rate") if pairwise else None
    preferred = {f"{PAIRWISE}.win_rate": rate["value"]} if rate else {}
    files = [tables / name for name in ("report.html", "tables.tex")]
    tracking.summary({**model.scalars, **preferred}, files, Path(summary).read_text("utf-8"))


def _write_sheet(baseline: Path, model: Path, images_root: str, out: Path) -> None:
    try:
        key = write_sheet(read_artifact(baseline, "answers"), read_artifact(model, "answers"), images_root, out)
    except (ArtifactError, RecordError, StorageError) as error:
        # Nothing that people could compare, or a picture of it that is gone, is no fault of the evaluation.
        say(STAGE, f"no sheet for people: {error}")
        return
    say(STAGE, f"{len(key.pairs):,} pairs for people -> {out}")
