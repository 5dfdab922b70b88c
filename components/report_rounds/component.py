"""report_rounds: the champion's scores over the rounds, their lineage, and the last verdict, on one page."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def report_rounds(
    rounds_root: str,
    title: str,
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
):
    """HTML page, Markdown summary, the champion's figures."""
    from groundtune.report import rounds_stage

    metrics.metadata.update(rounds_stage.run(rounds_root, page.path, summary.path, title))
