"""evaluate: benchmarks of a model, alone or against a baseline; sharded by benchmark and slice."""

from typing import NamedTuple

from kfp import dsl

from components.answer_questions import answer_questions
from components.plan_evaluation import plan_evaluation
from components.score_answers import score_answers
from pipelines.defaults import DEFAULTS
from pipelines.placement import on_cpu, on_gpu


class Result(NamedTuple):
    """What an evaluation leaves behind."""

    evaluation: dsl.Dataset


@dsl.pipeline(
    name="groundtune-evaluate",
    description="Hallucination and perception benchmarks of a vision-language model, with intervals and identities.",
)
def evaluate(
    benchmarks_root: str,
    model: str,
    adapter: str = "",
    baseline: str = "",
    baseline_adapter: str = "",
    title: str = "",
    evaluation: dict = DEFAULTS["evaluation"],
    judge: dict = DEFAULTS["judge"],
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
    """
    models = {"model": model, "adapter": adapter, "baseline": baseline, "baseline_adapter": baseline_adapter}
    planned = on_cpu(
        plan_evaluation(benchmarks_root=benchmarks_root, settings=evaluation, judge=judge, **models)
    ).set_caching_options(False)  # it looks at what is there now
    with dsl.ParallelFor(planned.output) as item:
        answered = on_gpu(
            answer_questions(
                item=item,
                benchmarks_root=benchmarks_root,
                settings=evaluation,
                **models,
            )
        )
    scored = on_cpu(score_answers(answers=dsl.Collected(answered.outputs["answers"]), judge=judge))
    return Result(
        evaluation=scored.outputs["evaluation"],
    )
