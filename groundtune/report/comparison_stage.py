"""report_comparison: what the comparison of methods found, as files for people and as plain data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundtune import tracking
from groundtune.artifacts import flat_scalars, read_artifact
from groundtune.comparison.common import common_settings
from groundtune.comparison.study import study_of
from groundtune.comparison.verdict import Claim
from groundtune.progress import say
from groundtune.report.comparison import sentences
from groundtune.report.comparison.latex import latex
from groundtune.report.comparison.markdown import markdown
from groundtune.report.comparison.page import drawings, render
from groundtune.report.comparison.words import key_metrics
from groundtune.settings import VerdictSettings
from groundtune.tracking.ledger import noted

STAGE = "report_comparison"


@noted(STAGE)
def run(
    comparisons: Sequence[str | Path],
    page: str | Path,
    summary: str | Path,
    tables: str | Path,
    title: str = "",
    champion: str = "m3po",
    rivals: Sequence[str] = ("sft", "simulated_rlhf", "vanilla_dpo", "rm_dpo"),
    verdict: VerdictSettings | Mapping[str, Any] | None = None,
    *,
    pools: Mapping[str, Mapping[str, Any]] | None = None,
    planned: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Write the page (HTML), the summary (Markdown) and the folder `tables`: report.html, summary.md, tables.tex,
    comparison.json (all figures, from which `render`, `markdown` and `drawings` make the rest again) and figures/*.svg.

    comparisons: a folder of `join_seed` a seed. champion: claimed to be at least as good as each of `rivals`; verdict:
    how that is decided. pools, planned: of `common_settings`, which stand beside the figures. Returns the data. Raises
    ArtifactError when they do not belong together, SettingError for a curve that is not whole.
    """
    settings = VerdictSettings.of(verdict, "verdict")
    claim = Claim(champion, list(rivals), settings)
    read = [read_artifact(path, "comparison") for path in comparisons]
    inputs = {f"seed {one.results['seed']}": one.digest for one in read}
    tables = Path(tables)
    asked = {"champion": champion, "rivals": list(rivals), **settings.to_mapping()}
    with tracking.stage(STAGE, settings=asked, inputs=inputs) as log:
        study = {**study_of(read, claim), "common": common_settings(pools or {}, planned)}
        html, text = render(study, title), markdown(study, title)
        written = {
            Path(page): html,
            Path(summary): text,
            tables / "report.html": html,
            tables / "summary.md": text,
            tables / "tables.tex": latex(study),
            tables / "comparison.json": json.dumps(study, indent=1, ensure_ascii=False) + "\n",
            **{tables / "figures" / name: svg for name, svg in drawings(study).items()},
        }
        for path, content in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        log.metrics(scalars(study))
        say(STAGE, sentences.headline(study))
        for caution in sentences.cautions(study):
            say(STAGE, caution)
    files = [tables / name for name in ("report.html", "tables.tex", "comparison.json")]
    tracking.summary(scalars(study), files, text)
    return study


def scalars(study: Mapping[str, Any]) -> dict[str, float]:
    """Every method's key figures by name: "m3po.chair/chairs"."""
    keys = key_metrics(study)
    return flat_scalars(
        {
            method["name"]: {key: method["figures"][key] for key in keys if key in method["figures"]}
            for method in study["methods"]
        }
    )
