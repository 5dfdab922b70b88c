"""plan_evaluation: the evaluation checked in seconds, and cut into items."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def plan_evaluation(
    benchmarks_root: str,
    model: str,
    adapter: str,
    baseline: str,
    baseline_adapter: str,
    settings: dict,
    judge: dict,
) -> List[str]:
    """Check settings, checkpoints, question files, images, judge, storage and MLflow; name what each task answers."""
    from groundtune.benchmarks import planning

    return planning.run(
        benchmarks_root,
        settings,
        judge,
        model=model,
        adapter=adapter,
        baseline=baseline,
        baseline_adapter=baseline_adapter,
    )
