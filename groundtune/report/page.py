"""The page of a run: reads the artifacts, fills the template, writes one file that needs nothing else."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from groundtune.images import ImageStore
from groundtune.report import outcome as outcomes
from groundtune.report import wording
from groundtune.report.answer_changes import changes_of
from groundtune.report.charts.figure import legend
from groundtune.report.distributions import distributions_of
from groundtune.report.flow import flow_of
from groundtune.report.gallery import bands_of
from groundtune.report.outcome import Outcome, outcome_of
from groundtune.report.provenance import provenance_of
from groundtune.report.run_artifacts import RunArtifacts, open_run
from groundtune.report.training_curves import training_of

_TEMPLATE = "page.html.jinja"


def run(
    prompts: Path,
    candidates: Sequence[Path],
    scores: Path,
    pairs: Path,
    adapter: Path | None,
    base_answers: Path | None,
    aligned_answers: Path | None,
    images_root: str,
    out: Path,
    *,
    title: str = "",
    gallery: int = 24,
    benchmarks_root: str = "",
) -> Path:
    """Write the page of a run to the file `out`; the same artifacts give the same bytes.

    candidates: all shards. adapter, base_answers, aligned_answers: None when that stage was not run; the page says so.
    images_root: where the prompts' pictures are; benchmarks_root: where the evaluation's are (default images_root).
    gallery: how many pairs are shown. Raises ArtifactError when a folder is unfinished or damaged; a picture that
    cannot be read is replaced by a sentence.
    """
    opened = open_run(prompts, candidates, scores, pairs, adapter, base_answers, aligned_answers)
    text = render(opened, outcome_of(opened), images_root, benchmarks_root or images_root, title, gallery)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)
    return out


def render(
    run: RunArtifacts, outcome: Outcome, images_root: str, benchmarks_root: str, title: str, gallery: int
) -> str:
    """The HTML text."""
    scores, pairs = list(run.scores.rows()), list(run.pairs.rows())
    prompts = {row["id"]: row for row in run.prompts.rows()}
    anchor = run.adapter.settings.get("anchor_weight") if run.adapter else None
    return _environment().get_template(_TEMPLATE).render(
        title=title or f"Run {run.pairs.digest[:12]}",
        model_name=run.model_name,
        finished=run.finished[:16].replace("T", " "),
        run=run,
        flow=flow_of(run, scores, pairs),
        outcome=outcome,
        headline=_headline(outcome),
        table=outcomes.table_groups(outcome),
        distributions=distributions_of(scores, pairs),
        sides=legend([("all", "all"), ("chosen", "chosen"), ("rejected", "rejected")]),
        bands=bands_of(pairs, prompts, ImageStore(images_root, attached=run.prompts.files), gallery),
        pairs=len(pairs),
        training=training_of(run.log, anchor),
        changes=changes_of(run, ImageStore(benchmarks_root)),
        provenance=provenance_of(run, title),
    )  # fmt: skip


def _headline(outcome: Outcome) -> dict[str, Any]:
    row = outcome.headline
    shown: dict[str, Any] = {
        "sentence": outcomes.sentence(outcome),
        "cautions": outcomes.cautions(outcome),
        "tiles": outcomes.tiles(outcome),
        "plot": outcomes.headline_plot(outcome),
        "verdict": row["verdict"] if row else "open",
        "measured": row is not None,
    }
    if row:
        name, meaning = wording.metric_words(row["benchmark"], row["metric"])
        shown |= {
            "name": name,
            "meaning": meaning,
            "base": wording.figure(row["metric"], row["base"]["value"]),
            "aligned": wording.figure(row["metric"], row["aligned"]["value"]),
        }
    return shown


def _environment() -> Environment:
    """Autoescape is on for every template: answers are written by a model that nobody vouches for."""
    environment = Environment(
        loader=PackageLoader("groundtune.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "count": wording.count,
        "decimal": wording.decimal,
        "percent": wording.percent,
        "words": wording.reason,
    }
    loader = environment.loader
    assert loader is not None
    style, _, _ = loader.get_source(environment, "page.css")
    environment.globals["style"] = Markup(style)
    environment.globals["plural"] = wording.plural
    return environment
