"""The page of a run: reads the artifacts, fills the template; the text needs nothing else."""

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
from groundtune.report.image_preferences import image_preferences_of
from groundtune.report.modality_probe import probe_of
from groundtune.report.outcome import Outcome
from groundtune.report.provenance import provenance_of
from groundtune.report.run_artifacts import RunArtifacts
from groundtune.report.training_curves import training_of

_TEMPLATE = "page.html.jinja"


def render(
    run: RunArtifacts, outcome: Outcome, images_root: str, benchmarks_root: str, title: str, gallery: int
) -> str:
    """The HTML text; the same artifacts give the same bytes.

    images_root: where the prompts' pictures are; benchmarks_root: where the evaluation's are. gallery: how many pairs
    are shown. A picture that cannot be read is replaced by a sentence.
    """
    scores, pairs = list(run.scores.rows()), list(run.pairs.rows())
    prompts = {row["id"]: row for row in run.prompts.rows()}
    store = ImageStore(images_root, attached=run.prompts.files)
    return environment().get_template(_TEMPLATE).render(
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
        bands=bands_of(pairs, prompts, store, gallery),
        pairs=len(pairs),
        images=image_preferences_of(run, pairs, prompts, store),
        training=training_of(run.log, run.adapter.settings if run.adapter else {}),
        probe=probe_of(run),
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


def environment() -> Environment:
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
