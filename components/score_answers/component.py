"""score_answers: slices of answers come together, are judged and scored."""

from typing import List

from kfp import dsl

from components import images


@dsl.component(base_image=images.LIGHT, install_kfp_package=False)
def score_answers(
    answers: dsl.Input[List[dsl.Dataset]],
    judge: dict,
    evaluation: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """Metrics with confidence intervals and the identity of every score, for the model and for its baseline."""
    from groundtune.benchmarks import contestants

    made = contestants.run([part.path for part in answers], evaluation.path, judge, metrics.path)
    evaluation.metadata.update(made.card)
    metrics.metadata.update(made.scalars)
