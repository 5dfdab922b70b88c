"""evaluate: benchmarks of a model, alone or against a baseline; sharded by benchmark and slice."""

from typing import NamedTuple

from kfp import dsl

from components.answer_questions import answer_questions
from components.check_gpu import check_gpu
from components.plan_evaluation import plan_evaluation
from components.report_evaluation import report_evaluation
from components.score_answers import score_answers
from pipelines.defaults import DEFAULT_POOL, DEFAULTS
from pipelines.exit_handler import with_exit_handler
from pipelines.placement import gpu_pool, on_cpu


class Result(NamedTuple):
    """What an evaluation leaves behind."""

    evaluation: dsl.Dataset
    page: dsl.HTML
    summary: dsl.Markdown
    tables: dsl.Artifact


def _evaluate(
    benchmarks_root: str,
    model: str,
    adapter: str = "",
    baseline: str = "",
    baseline_adapter: str = "",
    title: str = "",
    evaluation: dict = DEFAULTS["evaluation"],
    judge: dict = DEFAULTS["judge"],
    accelerator: str = DEFAULT_POOL["accelerator"],
    accelerator_count: str = DEFAULT_POOL["accelerator_count"],
    node_selector: dict = DEFAULT_POOL["node_selector"],
    tolerations: list = DEFAULT_POOL["tolerations"],
) -> Result:
    """Paths are local or s3://; adapters are PEFT folders; every dict holds one section of docs/reference/settings.md.

    Args:
        benchmarks_root: Folder or s3:// prefix of the question files and their images.
        model: Checkpoint folder or s3:// prefix.
        adapter: PEFT adapter on top of it; empty for the model as it is.
        baseline: A second checkpoint to compare with, answered alike; empty for none.
        baseline_adapter: Adapter of the baseline.
        title: Heading of the page.
        evaluation: Benchmarks and how they are answered and scored.
        judge: The language model that rates answers; without one, judged metrics are refused.
        accelerator: Resource name of the GPUs, as the device plugin advertises it.
        accelerator_count: GPUs of each GPU task, in digits; 0 for a cluster without GPUs.
        node_selector: Labels of the nodes for GPU tasks, e.g. {"nvidia.com/gpu.product": "NVIDIA-L4"}.
        tolerations: Kubernetes tolerations of GPU tasks; add those of a spot pool here.
    """
    on_gpu = gpu_pool(accelerator, accelerator_count, node_selector, tolerations)
    models = {"model": model, "adapter": adapter, "baseline": baseline, "baseline_adapter": baseline_adapter}
    planned = on_cpu(
        plan_evaluation(benchmarks_root=benchmarks_root, settings=evaluation, judge=judge, **models)
    ).set_caching_options(False)  # it looks at what is there now
    gpu = gpu_pool(accelerator, accelerator_count, node_selector, tolerations, tried_again=False)(
        check_gpu(model=model, accelerator_count=accelerator_count, evaluation=evaluation)
    ).set_caching_options(False)  # another node, another answer
    gpu.after(planned)
    with dsl.ParallelFor(planned.output) as item:
        answered = on_gpu(
            answer_questions(
                item=item,
                benchmarks_root=benchmarks_root,
                settings=evaluation,
                **models,
            )
        ).after(gpu)
    scored = on_cpu(score_answers(answers=dsl.Collected(answered.outputs["answers"]), judge=judge))
    told = on_cpu(
        report_evaluation(evaluation=scored.outputs["evaluation"], benchmarks_root=benchmarks_root, title=title)
    )
    return Result(
        evaluation=scored.outputs["evaluation"],
        page=told.outputs["page"],
        summary=told.outputs["summary"],
        tables=told.outputs["tables"],
    )


_ABOUT = {
    "name": "groundtune-evaluate",
    "description": "Hallucination and perception benchmarks of a vision-language model, with intervals and identities.",
}
evaluate = dsl.pipeline(_evaluate, **_ABOUT)
# For a cluster: closed by the exit handler, out of which KFP lets no results.
packaged_evaluate = dsl.pipeline(with_exit_handler(_evaluate), **_ABOUT)
