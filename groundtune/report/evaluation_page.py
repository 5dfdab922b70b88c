"""write_evaluation: one or two evaluated models as a page, a Markdown summary and LaTeX tables."""

from pathlib import Path

from markupsafe import Markup

from groundtune.artifacts import Artifact
from groundtune.report.charts.figure import legend
from groundtune.report.evaluation import words
from groundtune.report.evaluation.examples import examples_of
from groundtune.report.evaluation.figure import panels
from groundtune.report.evaluation.figures import Evaluated, Figures, figures_of
from groundtune.report.evaluation.headline import headline_of, tally_of, tiles_of
from groundtune.report.evaluation.identity import excluded_of, model_identity, protocol_of
from groundtune.report.evaluation.judge import judge_warning
from groundtune.report.evaluation.latex import latex
from groundtune.report.evaluation.markdown import markdown
from groundtune.report.evaluation.preference import preference_of, strip_of
from groundtune.report.evaluation.published import PUBLISHED, published_beside
from groundtune.report.evaluation.sections import sections_of
from groundtune.report.page import environment

_LEFT_OUT = 12  # excluded questions that are named


def write_evaluation(
    base: Artifact | None,
    model: Artifact,
    out_html: str | Path,
    images_root: str,
    title: str = "",
    *,
    summary: str | Path = "",
    tables: str | Path = "",
    names: tuple[str, str] = ("base", "aligned"),
    pairwise: Artifact | None = None,
) -> Figures:
    """Write the page; with `summary` also Markdown, with `tables` also LaTeX.

    base, model: evaluated `answers` artifacts; base None for one model alone. images_root: what image references are
    relative to; a picture that cannot be read is replaced by a sentence. names: of base and model in every table; a
    single model is called by the second. pairwise: `judgements` of these answers, for a section of their own. Two
    evaluations that do not compare are shown side by side, with the reason. Returns the figures. Raises ArtifactError
    for anything but evaluated answers, and for judgements of other answers.
    """
    models = [Evaluated(name, one) for name, one in zip(names, (base, model), strict=True) if one is not None]
    figures = figures_of(models)
    title = title or f"Evaluation {model.digest[:12]}"
    headline = headline_of(figures)
    published = published_beside(models, figures)
    preference = preference_of(pairwise, base, model, images_root, names) if pairwise else None
    warning = judge_warning(models)
    page = (
        environment()
        .get_template("evaluation.html.jinja")
        .render(
            title=title,
            finished=str(model.manifest.get("created", ""))[:16].replace("T", " "),
            figures=figures,
            headline=headline,
            tally=tally_of(figures),
            tiles=tiles_of(figures, preference),
            preference=preference,
            preference_strip=strip_of(preference) if preference else "",
            judge_warning=warning,
            panels=panels(figures),
            models_key=_legend(figures),
            sections=sections_of(figures),
            published=published,
            published_kind=PUBLISHED,
            refused=words.refused_of(figures),
            excluded=[(name, len(rows), rows[:_LEFT_OUT]) for name, rows in excluded_of(models)],
            examples=examples_of(models, images_root),
            identities=[(one.name, model_identity(one)) for one in models],
            protocols=_protocols(models),
        )
    )
    text = markdown(figures, published, title, headline, details=False, preference=preference, warning=warning)
    written = {out_html: page, summary: text, tables: latex(figures, published, preference=preference)}
    for path, content in written.items():
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(content, encoding="utf-8")
    return figures


def _legend(figures: Figures) -> Markup:
    return legend(list(zip(("base", "aligned"), figures.models, strict=False))) if len(figures.models) > 1 else Markup()


def _protocols(models: list[Evaluated]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(models, entries): one list where all were asked alike."""
    found = [protocol_of(model) for model in models]
    if all(one == found[0] for one in found):
        return [("", found[0])]
    return [(model.name, one) for model, one in zip(models, found, strict=True)]
