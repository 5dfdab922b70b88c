"""report_comparison: the methods side by side, over all seeds, and the verdict."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def report_comparison(
    comparisons: dsl.Input[List[dsl.Dataset]],
    title: str,
    champion: str,
    rivals: list,
    verdict: dict,
    methods: list,
    sampling: dict,
    alignment: dict,
    confidence: dict,
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    tables: dsl.Output[dsl.Artifact],
):
    """One page with verdict, figure and tables; the table for the KFP UI; tables in LaTeX, Markdown and JSON."""
    from groundtune.report import comparison_stage

    comparison_stage.run(
        [one.path for one in comparisons],
        page.path,
        summary.path,
        tables.path,
        title,
        champion,
        rivals,
        verdict,
        pools={"sampling": sampling, "alignment": alignment, "confidence": confidence},
        planned=methods,
    )
