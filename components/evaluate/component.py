"""evaluate: benchmarks of a model, with or without an adapter."""

from typing import Optional

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def evaluate(
    benchmarks_root: str,
    benchmarks_digest: str,
    model: str,
    model_digest: str,
    settings: dict,
    judge: dict,
    answers: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    adapter: Optional[dsl.Input[dsl.Model]] = None,
    policy_adapter: str = "",
):
    """Answers, metrics with confidence intervals, and the identity of every score."""
    from groundtune.benchmarks import evaluation

    made = evaluation.run(
        benchmarks_root,
        model,
        answers.path,
        settings,
        adapter=adapter.path if adapter else policy_adapter,
        judge=judge,
    )
    answers.metadata.update(made.card)
    metrics.metadata.update(made.write_scalars(metrics.path))
