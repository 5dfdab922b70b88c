"""report_evaluation: what an evaluation found, for people."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def report_evaluation(
    evaluation: dsl.Input[dsl.Dataset],
    benchmarks_root: str,
    title: str,
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    tables: dsl.Output[dsl.Artifact],
):
    """One page with figure, tables and identities; the table for the KFP UI; tables in LaTeX and Markdown, and with a
    baseline a blind comparison sheet for people."""
    from groundtune.report import evaluation_stage

    evaluation_stage.run(evaluation.path, benchmarks_root, page.path, summary.path, tables.path, title)
