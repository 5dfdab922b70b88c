"""write_report: one page that tells the whole run, and the before/after table for the KFP UI."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def write_report(
    prompts: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[List[dsl.Dataset]],
    scores: dsl.Input[dsl.Dataset],
    pairs: dsl.Input[dsl.Dataset],
    adapter: dsl.Input[dsl.Model],
    base_answers: dsl.Input[dsl.Dataset],
    aligned_answers: dsl.Input[dsl.Dataset],
    images_root: str,
    benchmarks_root: str,
    title: str,
    report: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
):
    """HTML report, Markdown summary, headline metrics."""
    from groundtune.report import stage

    headline = stage.run(
        prompts.path,
        [shard.path for shard in candidates],
        scores.path,
        pairs.path,
        adapter.path,
        base_answers.path,
        aligned_answers.path,
        images_root,
        benchmarks_root,
        report.path,
        summary.path,
        title,
        metrics.path,
    )
    metrics.metadata.update(headline)
