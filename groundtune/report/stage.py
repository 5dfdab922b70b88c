"""write_report: the page, the Markdown summary and the headline figures of one run."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from groundtune import tracking
from groundtune.artifacts import write_scalars
from groundtune.progress import say
from groundtune.report.outcome import outcome_of, sentence
from groundtune.report.page import render
from groundtune.report.run_artifacts import RunPaths, open_run
from groundtune.report.summary import markdown
from groundtune.tracking.ledger import noted

STAGE = "write_report"
GALLERY = 24


@noted(STAGE)
def run(
    prompts: str | Path,
    candidates: Sequence[str | Path],
    scores: str | Path,
    pairs: str | Path,
    adapter: str | Path | None,
    base_answers: str | Path | None,
    aligned_answers: str | Path | None,
    images_root: str,
    benchmarks_root: str,
    report: str | Path,
    summary: str | Path,
    title: str = "",
    metrics: str | Path = "",
    *,
    image_pairs: Sequence[str | Path] = (),
    image_reference: Sequence[str | Path] = (),
    base_probe: str | Path | None = None,
    aligned_probe: str | Path | None = None,
) -> dict[str, float]:
    """Write both files and return flat figures for KFP metrics: every compared metric before and after.

    candidates, image_pairs, image_reference: all shards. adapter and what follows it, the last four: None or empty when
    that stage was not run. images_root: where the prompts' pictures are; benchmarks_root: where the evaluation's are
    (default images_root). Raises ArtifactError when a folder is unfinished, damaged or of another kind.
    The before/after comparison, the slow part, is made once for both files.
    """
    opened = open_run(
        RunPaths(
            prompts, candidates, scores, pairs, adapter, base_answers, aligned_answers, image_pairs, image_reference,
            base_probe, aligned_probe,
        )
    )  # fmt: skip
    read = {
        "pairs": opened.pairs,
        "adapter": opened.adapter,
        "base": opened.base,
        "aligned": opened.aligned,
        "base_probe": opened.base_probe,
        "aligned_probe": opened.aligned_probe,
    }
    inputs = {name: artifact.digest for name, artifact in read.items() if artifact}
    with tracking.stage(STAGE, settings={"title": title}, inputs=inputs):
        outcome = outcome_of(opened)
        page = render(opened, outcome, images_root, benchmarks_root or images_root, title, GALLERY)
        for path, text in ((Path(report), page), (Path(summary), markdown(opened, outcome, title))):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        say(STAGE, f"{sentence(outcome)} {len(page) / 1e6:.1f} MB -> {report}")
        figures: dict[str, float] = {"pairs": float(len(opened.pairs))}
        for row in outcome.rows:
            if row["better"] and row["reading"] != "strict":
                name = f"{row['benchmark']}.{row['metric']}"
                figures[f"{name}.base"], figures[f"{name}.aligned"] = row["base"]["value"], row["aligned"]["value"]
    if metrics:
        write_scalars(figures, metrics)
    with tempfile.TemporaryDirectory() as folder:  # KFP's output has no suffix; a browser wants one
        files = [Path(shutil.copyfile(report, Path(folder) / "report.html"))]
        tracking.summary(figures, files, Path(summary).read_text("utf-8"))
    return figures
