"""answer_questions: one slice of an evaluation, answered by the model or by the baseline."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def answer_questions(
    item: str,
    benchmarks_root: str,
    model: str,
    adapter: str,
    baseline: str,
    baseline_adapter: str,
    settings: dict,
    answers: dsl.Output[dsl.Dataset],
):
    """Answers, not yet scored: judging and scoring need no GPU."""
    from groundtune.benchmarks import evaluation

    made = evaluation.run_item(
        item,
        benchmarks_root,
        answers.path,
        settings,
        model=model,
        adapter=adapter,
        baseline=baseline,
        baseline_adapter=baseline_adapter,
    )
    answers.metadata.update(made.card)
