"""decide_promotion: the gate. Is the challenger better than the champion, and nothing that it should not be?"""

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def decide_promotion(
    champion_answers: dsl.Input[dsl.Dataset],
    challenger_answers: dsl.Input[dsl.Dataset],
    base_answers: dsl.Input[dsl.Dataset],
    prompts: dsl.Input[dsl.Dataset],
    settings: dict,
    verdict: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
) -> bool:
    """Whether to promote; every rule with what was found is in the verdict, the summary and MLflow's tags."""
    from groundtune.retraining import deciding

    made = deciding.run(
        champion_answers.path,
        challenger_answers.path,
        base_answers.path,
        prompts.path,
        verdict.path,
        summary.path,
        settings,
    )
    return made.promote
