"""write_report: one page that tells the whole run, and the before/after table for the KFP UI."""

from typing import List, Optional

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
    image_pairs: Optional[dsl.Input[List[dsl.Dataset]]] = None,
    image_reference: Optional[dsl.Input[List[dsl.Dataset]]] = None,
    base_probe: Optional[dsl.Input[dsl.Dataset]] = None,
    aligned_probe: Optional[dsl.Input[dsl.Dataset]] = None,
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
        image_pairs=[shard.path for shard in image_pairs] if image_pairs else [],
        image_reference=[shard.path for shard in image_reference] if image_reference else [],
        base_probe=base_probe.path if base_probe else None,
        aligned_probe=aligned_probe.path if aligned_probe else None,
    )
    metrics.metadata.update(headline)
